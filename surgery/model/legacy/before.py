"""Layers of Keras 1 and 2 that Keras 3 has without one of their parts, which a layer put before them does instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from surgery.model.legacy.objects import Problems
from surgery.model.legacy.passes import with_layers
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef

FLOATING = frozenset({"RandomBrightness", "RandomContrast", "Resizing"})
"""Layers that made floats of whole numbers first, and whose output is whole numbers now."""
KEEPING = frozenset({
    "CenterCrop", "Concatenate", "Cropping1D", "Cropping2D", "Cropping3D", "Flatten", "GlobalMaxPooling2D", "Identity", "MaxPooling1D",
    "MaxPooling2D", "Permute", "RandomCrop", "RandomFlip", "RepeatVector", "Reshape", "Resizing", "UpSampling1D", "UpSampling2D",
    "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D",
})  # fmt: skip
"""Layers whose output may be whole numbers where their input is."""


def keep_inputs(spec: ModelSpec, problems: Problems) -> ModelSpec:
    """The model in which such a layer gets its input as it made it for itself.

    Args:
        spec: A model of Keras 1 or 2.
        problems: Gets the layers before which nothing can be put.
    """

    def change(model: ModelSpec, layer: LayerSpec, path: str) -> tuple[list[LayerSpec], list[str]]:
        if _is_causal(layer.class_name, layer.config):
            reach = _number(layer.config.get("dilation_rate", 1)) * (_number(layer.config["kernel_size"]) - 1)
            changed = replace(layer, config={**layer.config, "padding": "valid"})
            put, why = (
                put_before(model, changed, "ZeroPadding1D", padding=[reach, 0]),
                "has no padding 'causal' of its own",
            )
        elif layer.class_name in FLOATING and _gets_integers(model, layer):
            put, why = put_before(model, layer, "Rescaling", scale=1.0, offset=0.0), "makes no floats of whole numbers"
        else:
            _look_inside(layer.config, path, problems)
            return [layer], []
        inside = path.removesuffix(layer.name)
        return [*put], [f"'{inside}{put[0].name}' is put before '{path}', which in Keras 3 {why}."]

    return with_layers(spec, change)


def put_before(spec: ModelSpec, layer: LayerSpec, class_name: str, **arguments: Any) -> tuple[LayerSpec, LayerSpec]:
    """A new layer that gets what a layer got, and that layer with what the new one gives."""
    name = f"{layer.name}_{class_name.lower()}"
    while name in spec.by_name:
        name += "_"
    config = {"name": name, "trainable": True, **arguments}
    config |= {key: layer.config[key] for key in ("dtype", "data_format") if key in layer.config}
    if class_name == "Rescaling":
        config.pop("data_format", None)
    before = LayerSpec(name, class_name, config, calls=tuple(Call(call.args) for call in layer.calls))
    calls = (replace(call, args=(TensorRef(name, n),), inputs=()) for n, call in enumerate(layer.calls))
    return before, replace(layer, calls=tuple(calls), build_config=None)


def _is_causal(class_name: str, config: Mapping[str, Any]) -> bool:
    return class_name == "SeparableConv1D" and config.get("padding") == "causal"


def _look_inside(config: Mapping[str, Any], path: str, problems: Problems) -> None:
    """Finds in a wrapper, or in a model in one, what something would have to be put before."""
    inner = config.get("layer")
    entries = config.get("layers")
    for entry in [inner] if isinstance(inner, Mapping) else entries if isinstance(entries, list) else []:
        if _is_causal(str(entry["class_name"]), entry["config"]):
            problems.add(f"the padding 'causal' of a SeparableConv1D inside '{path}'")
        _look_inside(entry["config"], path, problems)


def _number(value: Any) -> int:
    return int(value[0] if isinstance(value, list | tuple) else value)


def _gets_integers(spec: ModelSpec, layer: LayerSpec) -> bool:
    """Whether whole numbers may reach a layer from an input."""
    seen: set[str] = set()
    waiting = list(layer.inbound)
    while waiting:
        name = waiting.pop()
        other = spec.by_name[name]
        if other.is_input and any("int" in tensor.dtype for tensor in other.outputs):
            return True
        if name not in seen and other.class_name in KEEPING:
            waiting += other.inbound
        seen.add(name)
    return False
