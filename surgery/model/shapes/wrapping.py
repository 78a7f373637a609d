"""Rules of the layers that wrap another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from surgery.model.calling import LISTS, SEPARATE
from surgery.model.config.nodes import has_layers
from surgery.model.shapes.recurrent import GATES, need_states, states_of
from surgery.model.shapes.rules import Built, Site, Variable, build_at, rule
from surgery.model.spec import Call, TensorSpec, WeightSpec


@rule("TimeDistributed")
def time_distributed(site: Site) -> Built | None:
    site.need_rank(3, "batch, time, ...", at_least=True)
    batch, time, *rest = site.shape
    if site.inner("layer").class_name in (*LISTS, *SEPARATE):
        raise site.refused(
            f"TimeDistributed hands one tensor on, and {site.inner('layer').class_name} takes several",
            expected="a layer of one input inside TimeDistributed",
        )
    step, document = TensorSpec((batch, *rest), site.carried()), site.layer.config["layer"]
    built = _model(document, step) if has_layers(document) else build_at(site.at(site.inner("layer"), step))
    if built is None or len(built.outputs) != 1:
        return None
    _, *shape = built.output.shape
    return site.built((batch, time, *shape), *(variable.below("layer") for variable in built.variables))


def _model(document: Mapping[str, Any], step: TensorSpec) -> Built | None:
    """A model of one input and one output inside a wrapper, where every layer of it has a rule."""
    # These ask for shapes themselves.
    from surgery.model.archive.groups import groups_of
    from surgery.model.config import from_config
    from surgery.model.prove import prove

    model = from_config(document)
    entries = [layer for layer in model.layers if layer.is_input]
    if len(entries) != 1 or isinstance(model.outputs, dict):
        return None
    entry = replace(entries[0], calls=(Call(outputs=(step,)),))
    layers = tuple(entry if layer is entries[0] else layer for layer in model.layers)
    model = prove(replace(model, layers=layers), again=True, lenient=True)
    walked = [(path, layer) for path, layer in model.walk() if not layer.is_input]
    ends = [model.by_name[ref.layer].calls[ref.call].outputs[ref.output :][:1] for ref in model.refs_out()]
    if len(ends) != 1 or not ends[0] or any(not call.outputs for _, layer in walked for call in layer.calls):
        return None
    groups = dict(groups_of(model))
    variables = (
        replace(variable, key=f"{groups[path]}/{variable.key}")
        for path, layer in walked
        if not layer.inner
        for variable in map(_variable, layer.weights)
    )
    return Built(ends[0], tuple(variables))


def _variable(weight: WeightSpec) -> Variable:
    return Variable(
        weight.key,
        weight.name,
        weight.shape,
        weight.dtype,
        weight.trainable,
        weight.initializer or "",
        weight.is_stored,
    )


@rule("SpectralNormalization")
def spectral_normalization(site: Site) -> Built | None:
    """It stores the kernel of its layer as its own, too. Keras 3.15."""
    built = build_at(site.at(site.inner("layer")))
    kernel = built.variables[0] if built and built.variables else None
    if built is None or kernel is None or kernel.name not in ("kernel", "embeddings"):
        return None
    vector = Variable("vars/1", "vector_u", (1, kernel.shape[-1]), kernel.dtype, False, "TruncatedNormal")
    inside = (variable.below("layer") for variable in built.variables)
    output = TensorSpec(built.output.shape, site.inputs[0].dtype)
    return Built((output,), (replace(kernel, key="vars/0"), vector, *inside))


@rule("Bidirectional")
def bidirectional(site: Site) -> Built | None:
    # States that it begins with come after the sequence, and change neither outputs nor variables.
    step = TensorSpec(site.shape, site.carried())
    # Keras makes the layer that reads backwards like the other where the config has none.
    there, back = (site.inner(key if site.get(key) else "layer") for key in ("layer", "backward_layer"))
    forward, backward = build_at(site.at(there, step)), build_at(site.at(back, step))
    states = states_of(site)
    half = len(states) // 2
    for layer, given in ((there, states[:half]), (back, states[half:])):
        if layer.class_name in GATES:
            need_states(site.at(layer), given)
    if forward is None or backward is None:
        return None
    variables = [variable.below("forward_layer") for variable in forward.variables]
    variables += [variable.below("backward_layer") for variable in backward.variables]
    one, *made = (tensor.shape for tensor in forward.outputs)
    mode = site.layer.config.get("merge_mode", "concat")
    doubled = (*one[:-1], None if one[-1] is None else one[-1] * 2)
    merged = {"concat": [doubled], None: [one, one]}.get(mode, [one])
    return Built(tuple(map(site.tensor, [*merged, *made, *made])), tuple(variables))
