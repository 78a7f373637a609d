"""Arguments that Keras 1 said in another way, or only by the shapes of weights and tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from surgery.errors import SurgeryError
from surgery.model.legacy.objects import Problems
from surgery.model.prove import prove
from surgery.model.spec import LayerSpec, ModelSpec


def with_inferred(spec: ModelSpec, problems: Problems) -> ModelSpec:
    """The model with the axes that a PReLU shares, and what Deconvolution2D pads its output by.

    Args:
        spec: A model of Keras 1 with its weights.
        problems: Has the output shapes that were stated, and gets those that Keras 3 cannot make.
    """
    spec = _with_shared_axes(spec)
    wanted = dict(problems.sizes)
    if wanted:
        spec = _with_sizes(spec, wanted, problems)
    for name, size in wanted.items():
        problems.add(f"the output_shape {size} of '{name}' (Deconvolution2D)")
    return spec


def _with_shared_axes(spec: ModelSpec) -> ModelSpec:
    return replace(spec, layers=tuple(map(_shared, spec.layers)))


def _shared(layer: LayerSpec) -> LayerSpec:
    """Its weight has length 1 along the axes that it shares, and no config says so."""
    if layer.inner:
        return replace(layer, inner=_with_shared_axes(layer.inner))
    if layer.class_name != "PReLU" or not layer.weights:
        return layer
    axes = [axis for axis, size in enumerate(layer.weights[0].shape, 1) if size == 1]
    return replace(layer, config={**layer.config, "shared_axes": axes or None})


def _with_sizes(spec: ModelSpec, wanted: dict[str, Any], problems: Problems) -> ModelSpec:
    """One layer after the other: the size of each follows from that of the ones before."""
    for name in list(wanted):
        if name not in spec.by_name:
            continue  # inside another model, whose inputs are not known here
        try:
            layer = prove(spec, again=True, lenient=True)[name]
        except SurgeryError:
            continue
        padding = _output_padding(layer, wanted[name])
        if padding is not None:
            del wanted[name]
            fitting = replace(spec[name], config={**spec[name].config, "output_padding": padding or None})
            spec = replace(spec, layers=tuple(fitting if one.name == name else one for one in spec.layers))
    return spec


def _output_padding(layer: LayerSpec, size: Any) -> list[int] | None:
    """What Keras 3 is to pad the output by; nothing where it has that size anyway, None where it cannot have it."""
    if size is None:
        return []
    inputs = layer.calls[0].inputs
    if not isinstance(size, list) or len(size) != 4 or not inputs:
        return None
    got, have = _spatial(layer, size), _spatial(layer, inputs[0].shape)
    if None in (*got, *have):
        return None
    axes = list(_axes(layer.config, got, have))
    if all(size == natural for size, natural, _, _ in axes):
        return []
    paddings = [size - least for size, _, least, _ in axes]
    fits = all(0 <= padding < stride for padding, (_, _, _, stride) in zip(paddings, axes, strict=True))
    return paddings if fits else None


def _spatial(layer: LayerSpec, shape: Sequence[Any]) -> list[Any]:
    return list(shape[2:] if layer.config.get("data_format") == "channels_first" else shape[1:3])


def _axes(config: Mapping[str, Any], sizes: list[int], inputs: list[int]) -> Iterator[tuple[int, int, int, int]]:
    """Of each axis: the size that it shall have, the one that it has without padding, the least one, the stride."""
    strides = config.get("strides") or [1, 1]
    for size, length, kernel, stride in zip(sizes, inputs, config["kernel_size"], strides, strict=True):
        if config.get("padding") == "same":
            yield size, length * stride, (length - 1) * stride + kernel - 2 * (kernel // 2), stride
        else:
            least = (length - 1) * stride + kernel
            yield size, max(least, length * stride), least, stride
