"""The frozen layers that the source model and the result have in common: what evaluates both computes them once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.model.spec import LayerSpec, ModelSpec
from surgery.planning.plan import Plan
from surgery.planning.prefix import WHOLE, Prefix, cut_of, digest_of


def shared_prefix(plan: Plan) -> Prefix:
    """The largest part before everything that trains in any stage, and that is in the source with the same weights and wiring."""
    result, source = plan.final, plan.source.spec
    if not plan.stages or result.inputs is None or source.inputs is None:
        return WHOLE
    inside = _common(plan, result, source)
    layers = tuple(name for name, layer in inside.items() if not layer.is_input)
    if not any(inside[name].parameters for name in layers):
        return WHOLE
    cut = tuple(dict.fromkeys([*cut_of(result, inside), *cut_of(source, inside)]))
    return Prefix(cut, layers, ("what differs",), digest_of(result, layers, cut))


def _common(plan: Plan, result: ModelSpec, source: ModelSpec) -> dict[str, LayerSpec]:
    frozen = set.intersection(*(set(stage.prefix.layers) for stage in plan.stages))
    changed = {line.path.partition("/")[0] for line in plan.ledger if not line.is_kept}
    given = {ref.layer for model in (result, source) for ref in model.refs_out()}
    inside: dict[str, LayerSpec] = {}
    for layer in result.layers:
        old = source.by_name.get(layer.name)
        is_there = (
            old is not None and layer.name not in given | changed and all(name in inside for name in layer.inbound)
        )
        if is_there and old is not None and (layer.is_input or layer.name in frozen) and _wired(old) == _wired(layer):
            inside[layer.name] = layer
    return inside


def _wired(layer: LayerSpec) -> Any:
    """All that decides what a layer makes of its inputs when nothing trains, but the values of its variables."""
    inner = layer.inner and (layer.inner.inputs, layer.inner.outputs, [_wired(one) for one in layer.inner.layers])
    calls = [(call.args, call.kwargs) for call in layer.calls]
    return layer.name, layer.class_name, layer.module, _without_flags(layer.config), calls, inner


def _without_flags(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_flags(item) for key, item in value.items() if key != "trainable"}
    return [_without_flags(item) for item in value] if isinstance(value, (list, tuple)) else value
