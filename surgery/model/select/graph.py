"""What feeds what: the edges of one level of a model, by the calls of its layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from surgery.model.spec import ModelSpec

Node = tuple[str, int]
"""A call of a layer. A layer that is called twice is two nodes, so two uses of it are not taken for one way."""
Edges = Mapping[Node, list[Node]]


def upstream(model: ModelSpec, names: Iterable[str]) -> frozenset[str]:
    """The layers that feed any of these, these included."""
    return _layers(_reached(_feeders(model), _calls(model, names)), names)


def downstream(model: ModelSpec, names: Iterable[str]) -> frozenset[str]:
    """The layers that any of these feeds, these included."""
    return _layers(_reached(_consumers(model), _calls(model, names)), names)


def between(model: ModelSpec, start: Iterable[str], stop: Iterable[str]) -> frozenset[str]:
    """The layers on a way from `start` to `stop`, both included; nothing when there is no way."""
    behind = _reached(_consumers(model), _calls(model, start))
    ahead = _reached(_feeders(model), _calls(model, stop))
    return _layers(behind & ahead, ())


def _calls(model: ModelSpec, names: Iterable[str]) -> list[Node]:
    return [(name, call) for name in names for call in range(len(model.by_name[name].calls))]


def _feeders(model: ModelSpec) -> Edges:
    """From each call to the calls whose tensors go into it."""
    return {
        (layer.name, number): [(ref.layer, ref.call) for ref in call.refs()]
        for layer in model.layers
        for number, call in enumerate(layer.calls)
    }


def _consumers(model: ModelSpec) -> Edges:
    """From each call to the calls that take its tensors."""
    consumers: dict[Node, list[Node]] = defaultdict(list)
    for node, feeders in _feeders(model).items():
        for feeder in feeders:
            consumers[feeder].append(node)
    return consumers


def _reached(edges: Edges, start: Iterable[Node]) -> set[Node]:
    reached = set(start)
    waiting = list(reached)
    while waiting:
        for node in edges.get(waiting.pop(), ()):
            if node not in reached:
                reached.add(node)
                waiting.append(node)
    return reached


def _layers(nodes: set[Node], names: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name, _ in nodes) | frozenset(names)
