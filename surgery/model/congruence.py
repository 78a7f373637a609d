"""Which tensors of two models hold the same numbers, by how they are made: the same layers, with the same weights, on the same inputs.

Names and flags do not count, and layers that do nothing outside training are looked through. What is found here can be
measured: `surgery.execution.evidence` does.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef
from surgery.model.weights import has_fresh

INERT = frozenset({
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Identity", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D",
})  # fmt: skip
"""Layer classes whose output is their input, outside training."""

IGNORED = frozenset({"name", "trainable", "lora_rank", "lora_alpha"})
"""What does not count in a config. Keras keeps the sum of a kernel and its adapter in the file."""


def is_inert(class_name: str, config: Mapping[str, Any]) -> bool:
    """Whether a layer's output is its input, outside training."""
    return class_name in INERT or (class_name == "Activation" and config.get("activation") == "linear")


def congruent(source: ModelSpec, result: ModelSpec) -> dict[TensorRef, TensorRef]:
    """For each tensor of the result that the source has, too, the one of the source. Nested models count whole."""
    if source.inputs is None or result.inputs is None:
        return {}
    numbers = _Numbers()
    theirs: dict[int, TensorRef] = {}
    for ref, number in numbers.of(source).items():
        theirs.setdefault(number, ref)
    return {ref: theirs[number] for ref, number in numbers.of(result).items() if number in theirs}


def frontier(result: ModelSpec, same: Mapping[TensorRef, TensorRef]) -> tuple[TensorRef, ...]:
    """The last tensors that are the same: outputs, and those that something else begins with. No inputs."""
    ends = dict.fromkeys(ref for ref in result.refs_out() if ref in same)
    for layer in result.layers:
        for index, call in enumerate(layer.calls):
            if TensorRef(layer.name, index) not in same:
                ends |= dict.fromkeys(ref for ref in call.refs() if ref in same)
    return tuple(ref for ref in ends if not result.by_name[ref.layer].is_input)


class _Numbers:
    """A number for each way to make a tensor: equal numbers, equal ways."""

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}

    def of(self, model: ModelSpec, prefix: str = "") -> dict[TensorRef, int]:
        found: dict[TensorRef, int] = {}
        for place, ref in enumerate(model.refs_in()):
            found[ref] = self._number(("input", place, model.by_name[ref.layer].outputs))
        ways = {layer.name: self._way(layer, prefix + layer.name) for layer in model.layers}
        for layer, index, call in _in_order(model):
            inputs = _with_numbers((call.args, call.kwargs), found)
            for output in range(max(1, len(call.outputs))):
                ref = TensorRef(layer.name, index, output)
                if ref not in found:
                    through = _looked_through(layer, call)
                    found[ref] = found[through] if through else self._number((ways[layer.name], inputs, output))
        return found

    def _way(self, layer: LayerSpec, path: str) -> int:
        # What is in no file, the halves of a LoRA, begins as nothing that is added.
        stored = (w for w in layer.weights if w.is_stored)
        weights = tuple((w.key, w.source, path if has_fresh(w.source) else "") for w in stored)
        inner = None
        if layer.inner and layer.inner.inputs is not None:
            numbers = self.of(layer.inner, f"{path}/")
            inner = tuple(numbers[ref] for ref in layer.inner.refs_out())
        return self._number((layer.class_name, layer.registered_name, _text(layer.config), weights, inner))

    def _number(self, way: Hashable) -> int:
        return self._known.setdefault(way, len(self._known))


def _in_order(model: ModelSpec) -> Iterator[tuple[LayerSpec, int, Call]]:
    """Every call after those that it reads."""
    done: set[tuple[str, int]] = set()
    for start in model.layers:
        stack = [(start.name, index) for index in range(len(start.calls))]
        while stack:
            name, index = stack[-1]
            call = model.by_name[name].calls[index]
            waits = [(r.layer, r.call) for r in call.refs() if (r.layer, r.call) not in done]
            if waits and (name, index) not in done:
                stack += waits
                continue
            stack.pop()
            if (name, index) not in done:
                done.add((name, index))
                yield model.by_name[name], index, call


def _looked_through(layer: LayerSpec, call: Call) -> TensorRef | None:
    refs = call.refs()
    is_plain = len(refs) == 1 and call.inputs == call.outputs and not layer.weights
    return refs[0] if is_plain and is_inert(layer.class_name, layer.config) else None


def _with_numbers(structure: Any, numbers: Mapping[TensorRef, int]) -> str:
    return json.dumps(_placed(structure, numbers), sort_keys=True, default=str)


def _placed(structure: Any, numbers: Mapping[TensorRef, int]) -> Any:
    match structure:
        case TensorRef():
            return {"tensor": numbers[structure]}
        case list() | tuple():
            return [_placed(item, numbers) for item in structure]
        case Mapping():
            return {key: _placed(value, numbers) for key, value in structure.items()}
        case _:
            return structure


def _text(config: Mapping[str, Any]) -> str:
    return json.dumps(
        _without_flags({key: config[key] for key in config if key not in IGNORED}), sort_keys=True, default=str
    )


def _without_flags(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _without_flags(item) for key, item in value.items() if key != "trainable"}
        case list() | tuple():
            return [_without_flags(item) for item in value]
        case _:
            return value
