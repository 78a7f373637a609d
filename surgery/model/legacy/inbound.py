"""`inbound_nodes` of Keras 1 and 2, lists of `[layer, node, tensor, arguments]`, as calls of Keras 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Rename = Callable[[Any], str]
CONSTANT = "_CONSTANT_VALUE"


def convert_inbound(node: Any, names: set[str], shifted: set[str], rename: Rename) -> dict[str, Any]:
    """One call.

    Args:
        node: A mapping (Keras 3's own h5), or a list of tensors, each with the keyword arguments of the call.
        names: The layers of the model.
        shifted: The nested models whose nodes count from 1.
        rename: What becomes of a layer's name.
    """
    if isinstance(node, Mapping) and "args" in node:
        return dict(node)
    kwargs: Mapping[str, Any] = next((item[3] for item in _entries(node, names) if len(item) > 3 and item[3]), {})
    first = _tensors(node, names, shifted, rename)
    if isinstance(first, list) and len(first) == 1:
        first = first[0]
    return {
        "args": [first],
        "kwargs": {key: _tensors(value, names, shifted, rename) for key, value in kwargs.items()},
    }


def _is_tensor(value: Any, names: set[str]) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and (value[0] in names or value[0] == CONSTANT)
        and isinstance(value[1], int)
    )


def _entries(node: Any, names: set[str]) -> Iterator[list[Any]]:
    if _is_tensor(node, names):
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from _entries(item, names)
    elif isinstance(node, Mapping):
        for item in node.values():
            yield from _entries(item, names)


def _tensors(value: Any, names: set[str], shifted: set[str], rename: Rename) -> Any:
    if _is_tensor(value, names):
        layer, node, tensor = value[:3]
        if layer == CONSTANT:
            return tensor
        history = [rename(layer), node - (layer in shifted), tensor]
        config = {"shape": None, "dtype": None, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}
    if isinstance(value, list):
        return [_tensors(item, names, shifted, rename) for item in value]
    if isinstance(value, Mapping):
        return {key: _tensors(item, names, shifted, rename) for key, item in value.items()}
    return value


def convert_structure(structure: Any, names: set[str], shifted: set[str], functional: set[str], rename: Rename) -> Any:
    """`input_layers` or `output_layers`, counted as Keras 3 counts: nested Functional models from 1, others from 0."""
    if _is_tensor(structure, names):
        layer, node, tensor = structure[:3]
        return [rename(layer), node - (layer in shifted) + (rename(layer) in functional), tensor]
    if isinstance(structure, list):
        return [convert_structure(item, names, shifted, functional, rename) for item in structure]
    if isinstance(structure, Mapping):
        return {k: convert_structure(item, names, shifted, functional, rename) for k, item in structure.items()}
    return structure


def is_keras_3(config: Mapping[str, Any]) -> bool:
    """Whether calls are written as Keras 3 writes them, also into its own h5 files."""
    nodes = (node for layer in config["layers"] for node in layer.get("inbound_nodes") or [])
    return any(isinstance(node, Mapping) and "args" in node for node in nodes)


def counts_from_one(config: Mapping[str, Any], names: set[str], nested: set[str]) -> set[str]:
    """The nested models whose nodes count from 1, because Keras 2 gave each a node of its own before any call.

    Some versions left a nested Sequential out of this; then something reads its node 0.
    """
    used: dict[str, set[int]] = {name: set() for name in nested}
    for layer in config["layers"]:
        for node in layer.get("inbound_nodes") or []:
            for entry in _entries(node, names):
                if entry[0] in used:
                    used[entry[0]].add(entry[1])
    for entry in _entries(config["output_layers"], names):
        if entry[0] in used:
            used[entry[0]].add(entry[1])
    return {name for name, nodes in used.items() if 0 not in nodes}
