"""Calls of layers in a config: `inbound_nodes` with a `__keras_tensor__` wherever a tensor goes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from surgery.errors import ModelInvalid
from surgery.model.spec import Call, TensorRef, TensorSpec

Tensors = dict[TensorRef, TensorSpec]
TENSOR = "__keras_tensor__"


def has_layers(document: Mapping[str, Any]) -> bool:
    """Whether a document is a model made of layers: Sequential, Functional, or a subclass that keeps its config."""
    config = document.get("config")
    if not isinstance(config, Mapping) or not isinstance(config.get("layers"), list):
        return False
    return "output_layers" in config or document.get("class_name") == "Sequential"


def is_functional(document: Mapping[str, Any]) -> bool:
    return has_layers(document) and "output_layers" in document["config"]


def read_calls(document: Mapping[str, Any], where: str, tensors: Tensors) -> tuple[Call, ...]:
    """The calls of a layer; the shapes that they state go into `tensors`."""
    calls = []
    for node in document["inbound_nodes"]:
        if not isinstance(node, Mapping) or not isinstance(node.get("args"), list):
            raise ModelInvalid(f"{where}: the calls of layer '{document['name']}' cannot be read")
        args = tuple(_revive(item, document["name"], tensors) for item in node["args"])
        call = Call(args, _revive(node.get("kwargs") or {}, document["name"], tensors))
        stated = [tensors.get(ref) for ref in call.refs()]
        calls.append(replace(call, inputs=() if None in stated else tuple(filter(None, stated))))
    return tuple(calls)


def _revive(value: Any, reader: str, tensors: Tensors) -> Any:
    match value:
        case {"class_name": "__keras_tensor__", "config": config}:
            ref, spec = _tensor(config, reader)
            if spec is not None:
                tensors[ref] = spec
            return ref
        case list():
            return [_revive(item, reader, tensors) for item in value]
        case Mapping():
            return {key: _revive(item, reader, tensors) for key, item in value.items()}
        case _:
            return value


def _tensor(config: Any, reader: str) -> tuple[TensorRef, TensorSpec | None]:
    """A tensor, and its shape where it is stated: configs of Keras 1 and 2 have none."""
    match config:
        case {"keras_history": [str(layer), int(call), int(output)], "shape": None}:
            return TensorRef(layer, call, output), None
        case {"keras_history": [str(layer), int(call), int(output)], "shape": list(shape)}:
            return TensorRef(layer, call, output), TensorSpec(tuple(shape), str(config.get("dtype") or "float32"))
        case _:
            raise ModelInvalid(f"layer '{reader}' reads a tensor that comes from nowhere")


def read_structure(structure: Any, nested: Mapping[str, int], where: str) -> Any:
    """`input_layers` or `output_layers` with a TensorRef at each leaf.

    Args:
        structure: As in the config.
        nested: The Functional models among the layers, with the number of their calls. Keras counts theirs from 1 here.
        where: Which model this is.
    """
    match structure:
        case [str(layer), int(call), int(output)]:
            if layer in nested:
                call = call - 1 if call else nested[layer] - 1
            return TensorRef(layer, call, output)
        case list():
            return [read_structure(item, nested, where) for item in structure]
        case Mapping():
            return {key: read_structure(item, nested, where) for key, item in structure.items()}
        case _:
            raise ModelInvalid(f"{where} has inputs or outputs that cannot be read: {structure!r}")


def write_structure(structure: Any, nested: frozenset[str]) -> Any:
    """The inverse of `read_structure`."""
    match structure:
        case TensorRef(layer, call, output):
            return [layer, call + 1 if layer in nested else call, output]
        case list() | tuple():
            return [write_structure(item, nested) for item in structure]
        case Mapping():
            return {key: write_structure(item, nested) for key, item in structure.items()}
        case _:
            return structure


def write_call(call: Call, tensors: Mapping[TensorRef, TensorSpec]) -> dict[str, Any]:
    """One of a layer's `inbound_nodes`. Keras looks at whether a shape is there, and not at what it says."""
    stated = {**tensors, **dict(zip(call.refs(), call.inputs, strict=False))}
    return {"args": [_freeze(item, stated) for item in call.args], "kwargs": _freeze(call.kwargs, stated)}


def _freeze(value: Any, tensors: Mapping[TensorRef, TensorSpec]) -> Any:
    match value:
        case TensorRef(layer, call, output):
            spec = tensors.get(value, TensorSpec((None,)))
            history = [layer, call, output]
            config = {"shape": list(spec.shape), "dtype": spec.dtype, "keras_history": history}
            return {"class_name": TENSOR, "config": config}
        case list() | tuple():
            return [_freeze(item, tensors) for item in value]
        case Mapping():
            return {key: _freeze(item, tensors) for key, item in value.items()}
        case _:
            return value
