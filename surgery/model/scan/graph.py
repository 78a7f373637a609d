"""The graph of a config: layers that Keras would call during load without their being part of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from surgery.model.scan.classes import Config
from surgery.model.scan.json import joined, nodes
from surgery.model.scan.rule import Found, rule, shown

FAMILY = "graph"


@dataclass(frozen=True, slots=True)
class Graph:
    """The layers of one Functional config, by name: which layers each node takes tensors from."""

    path: str
    layers: tuple[Mapping[str, Any], ...]
    outputs: tuple[str, ...]

    def named(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for index, layer in enumerate(self.layers):
            yield joined(f"{self.path}.layers", index), _name(layer), layer

    def reached(self) -> set[str]:
        """Layers that an output needs."""
        feeding: dict[str, set[str]] = {}
        for _, name, layer in self.named():
            feeding.setdefault(name, set()).update(source for node in calls(layer) for source in sources(node))
        found, queue = set(), list(self.outputs)
        while queue:
            name = queue.pop()
            if name not in found:
                found.add(name)
                queue.extend(feeding.get(name, ()))
        return found


def graphs(config: Config) -> Iterator[Graph]:
    """Every Functional model of a config, the nested ones too."""
    for path, node in config.nodes:
        if isinstance(node, dict) and "output_layers" in node and isinstance(node.get("layers"), list):
            layers = tuple(layer for layer in node["layers"] if isinstance(layer, dict))
            yield Graph(path, layers, tuple(_leaves(node["output_layers"])))


def calls(layer: Mapping[str, Any]) -> list[Any]:
    """The calls of a layer: dicts of arguments in Keras 3, lists of tensors before."""
    found = layer.get("inbound_nodes")
    return found if isinstance(found, list) else []


def sources(call: Any) -> Iterator[str]:
    """Names of the layers that a call takes tensors from."""
    if isinstance(call, dict):
        for _, node in nodes(call):
            if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
                history = node.get("config", {}).get("keras_history") if isinstance(node.get("config"), dict) else None
                if isinstance(history, list) and history and isinstance(history[0], str):
                    yield history[0]
    elif isinstance(call, list):
        for _, node in nodes(call):
            if isinstance(node, list) and len(node) in (3, 4) and isinstance(node[0], str):
                yield node[0]


def _leaves(value: Any) -> Iterator[str]:
    for _, node in nodes(value):
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
        counts = Counter(name for _, name, _ in graph.named())
        for path, name, _ in graph.named():
            if counts[name] > 1:
                yield path, f"the name {shown(name)} stands {counts[name]} times"


@rule("graph-unconnected", FAMILY)
def unconnected(config: Config) -> Found:
    """A layer or operation that no output of the model needs. Keras calls it during load all the same, and the loaded model
    does not show it."""
    for graph in graphs(config):
        reached = graph.reached()
        for path, name, layer in graph.named():
            if name not in reached and layer.get("class_name") != "InputLayer":
                yield path, f"{shown(name)} leads to no output"


@rule("graph-call-without-tensor", FAMILY)
def call_without_tensor(config: Config) -> Found:
    """A call that takes no tensor of the model: Keras would compute it at once, with the values of the file, during load."""
    for graph in graphs(config):
        for path, name, layer in graph.named():
            for index, call in enumerate(calls(layer)):
                if not any(sources(call)):
                    yield f"{path}.inbound_nodes[{index}]", f"{shown(name)} is called without a tensor"


@rule("graph-unknown-layer", FAMILY)
def unknown_layer(config: Config) -> Found:
    """A call or an output takes a tensor from a layer that the model does not have."""
    for graph in graphs(config):
        known = {name for _, name, _ in graph.named()}
        for path, _, layer in graph.named():
            for source in {source for call in calls(layer) for source in sources(call)} - known:
                yield path, f"a tensor comes from {shown(source)}, which is no layer"
        for name in set(graph.outputs) - known:
            yield f"{graph.path}.output_layers", f"the output {shown(name)} is no layer"
