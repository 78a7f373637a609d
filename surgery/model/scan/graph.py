"""The graph of a config: layers that Keras would call during load without their being part of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from surgery.model.scan import limits
from surgery.model.scan.classes import Config
from surgery.model.scan.json import items
from surgery.model.scan.rule import Found, Place, joined, rule, shown

FAMILY = "graph"
OLD_CONSTANT = "_CONSTANT_VALUE"
"""Where Keras 2 has the name of a layer when a value of the call is not a tensor."""


@dataclass(frozen=True)
class Graph:
    """The layers of one Functional config, by name: which layers each node takes tensors from."""

    path: Place
    layers: tuple[Mapping[str, Any], ...]
    outputs: tuple[str, ...]

    @cached_property
    def named(self) -> tuple[tuple[Place, str, Mapping[str, Any]], ...]:
        inside = joined(self.path, "layers")
        return tuple((joined(inside, index), _name(layer), layer) for index, layer in enumerate(self.layers))

    @cached_property
    def sources(self) -> tuple[tuple[frozenset[str], ...], ...]:
        """For each layer and each of its calls: the layers that it takes tensors from."""
        return tuple(tuple(frozenset(sources(call)) for call in calls(layer)) for layer in self.layers)

    def reached(self) -> set[str]:
        """Layers that an output needs."""
        feeding: dict[str, set[str]] = {}
        for (_, name, _), called in zip(self.named, self.sources, strict=True):
            feeding.setdefault(name, set()).update(*called)
        found, queue = set(), list(self.outputs)
        while queue:
            name = queue.pop()
            if name not in found:
                found.add(name)
                queue.extend(feeding.get(name, ()))
        return found


@lru_cache(maxsize=1)
def graphs(config: Config) -> tuple[Graph, ...]:
    """Every Functional model of a config, the nested ones too."""
    return tuple(
        Graph(
            path, tuple(layer for layer in node["layers"] if type(layer) is dict), tuple(_leaves(node["output_layers"]))
        )
        for path, node in config.nodes
        if type(node) is dict and "output_layers" in node and type(node.get("layers")) is list
    )


def calls(layer: Mapping[str, Any]) -> list[Any]:
    """The calls of a layer: dicts of arguments in Keras 3, lists of tensors before."""
    found = layer.get("inbound_nodes")
    return found if isinstance(found, list) else []


def sources(call: Any) -> Iterator[str]:
    """Names of the layers that a call takes tensors from."""
    for node in _inside(call):
        if type(call) is dict:
            if type(node) is dict and node.get("class_name") == "__keras_tensor__":
                history = node["config"].get("keras_history") if type(node.get("config")) is dict else None
                if type(history) is list and history and type(history[0]) is str:
                    yield history[0]
        elif type(node) is list and len(node) in (3, 4) and type(node[0]) is str and node[0] != OLD_CONSTANT:
            yield node[0]


def _inside(value: Any) -> Iterator[Any]:
    """Every object and list of a value, itself too."""
    stack = [value]
    while stack:
        value = stack.pop()
        yield value
        stack += [child for _, child in items(value) if type(child) in (dict, list)]


def _leaves(value: Any) -> Iterator[str]:
    for node in _inside(value):
        if isinstance(node, list) and len(node) == 3 and isinstance(node[0], str):
            yield node[0]


def _name(layer: Mapping[str, Any]) -> str:
    """By which the graph knows a layer."""
    config = layer.get("config")
    name = layer.get("name", config.get("name") if isinstance(config, dict) else None)
    return name if isinstance(name, str) else ""


@rule("graph-name-twice", FAMILY)
def name_twice(config: Config) -> Found:
    """Two layers of one model have the same name; Keras makes both and forgets the first, which is then invisible."""
    for graph in graphs(config):
        counts = Counter(name for _, name, _ in graph.named)
        for path, name, _ in graph.named:
            if counts[name] > 1:
                yield path, f"the name {shown(name)} stands {counts[name]} times"


@rule("graph-unconnected", FAMILY)
def unconnected(config: Config) -> Found:
    """A layer or operation that no output of the model needs. Keras calls it during load all the same, and the loaded model
    does not show it."""
    for graph in graphs(config):
        reached = graph.reached()
        for path, name, layer in graph.named:
            if name not in reached and layer.get("class_name") != "InputLayer":
                yield path, f"{shown(name)} leads to no output"


@rule("graph-call-without-tensor", FAMILY)
def call_without_tensor(config: Config) -> Found:
    """A call that takes no tensor of the model: Keras would compute it at once, with the values of the file, during load."""
    for graph in graphs(config):
        for (path, name, layer), called in zip(graph.named, graph.sources, strict=True):
            # Of some operations Keras 2 wrote no operands; the conversion refuses those, and says which they are.
            is_converted = config.is_old and layer.get("class_name") == "TFOpLambda"
            for index, found in enumerate(called):
                if not found and not is_converted:
                    yield joined(joined(path, "inbound_nodes"), index), f"{shown(name)} is called without a tensor"


ROOM = frozenset({
    "Arange", "BroadcastTo", "Eye", "Full", "Identity", "Linspace", "Logspace", "OneHot", "Ones", "Pad", "Repeat", "Reshape", "Tile",
    "Tri", "Zeros",
})  # fmt: skip
"""Operations that make room by the numbers they are called with."""
CONSTANTS = ("__tensor__", "__numpy__", "__keras_tensor__")


@rule("graph-argument", FAMILY)
def argument(config: Config) -> Found:
    """An operation that is called with a list of more than 10,000 numbers, or told to repeat, pad or reshape to more than 16 million:
    its result would fill memory. Constant tensors may be larger."""
    for graph in graphs(config):
        for path, name, layer in graph.named:
            if is_operation(layer):
                for key in ("inbound_nodes", "config"):
                    yield from _too_much(
                        joined(path, key), layer.get(key), shown(name), layer.get("class_name") in ROOM
                    )


def is_operation(layer: Mapping[str, Any]) -> bool:
    module = layer.get("module")
    return type(module) is str and module.startswith(("keras.src.ops", "keras.ops"))


def _too_much(place: Place, value: Any, name: str, makes_room: bool) -> Found:
    stack = [(place, value)]
    while stack:
        place, value = stack.pop()
        if type(value) is dict and value.get("class_name") in CONSTANTS:
            continue
        if type(value) is list and len(value) > limits.ARGUMENT_ITEMS:
            yield place, f"{name} is called with {len(value)} items"
            continue
        for key, child in items(value):
            if type(child) in (dict, list):
                stack.append((joined(place, key), child))
            elif makes_room and type(child) is int and abs(child) > limits.ARGUMENT_COUNT:
                yield joined(place, key), f"{name} is called with {child}"


@rule("graph-unknown-layer", FAMILY)
def unknown_layer(config: Config) -> Found:
    """A call or an output takes a tensor from a layer that the model does not have."""
    for graph in graphs(config):
        known = {name for _, name, _ in graph.named}
        for (path, _, _), called in zip(graph.named, graph.sources, strict=True):
            for source in frozenset().union(*called) - known:
                yield path, f"a tensor comes from {shown(source)}, which is no layer"
        for name in set(graph.outputs) - known:
            yield joined(graph.path, "output_layers"), f"the output {shown(name)} is no layer"
