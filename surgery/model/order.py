"""The order in which Keras lists the operations of a graph, computed without Keras and without recursion.

Keras sorts the layers of a Functional model when it loads a config, and stores and loads weights by that order alone.
The rule (`map_graph` in `keras/src/ops/function.py`, seen in Keras 3.15.1): walk depth-first from the outputs in their
flat order; the depth of an operation is its longest way to an output, over all its calls; sort by falling depth, then
by first visit; inputs that no output needs have depth 0 and come first in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from surgery.errors import ModelInvalid
from surgery.model.spec import LayerSpec, TensorRef, leaves

Node = tuple[str, int]
"""One call of one layer."""


def keras_order(layers: Iterable[LayerSpec], inputs: Any, outputs: Any) -> tuple[str, ...]:
    """The names of the layers that the outputs need, and of the inputs, in the order of Keras' `model.layers`.

    Args:
        layers: The layers, in any order; what no output needs is left out of the result.
        inputs: The structure of the model's inputs.
        outputs: The structure of the model's outputs.

    Raises:
        ModelInvalid: when a tensor of the graph is not there, or depends on itself.
    """
    graph = _Graph({layer.name: layer for layer in layers}, frozenset(leaves(inputs)))
    for ref in leaves(outputs):
        graph.visit(ref)
    depths = graph.depths()
    for ref in leaves(inputs):
        if ref.layer not in depths and graph.layer(ref).is_input:
            depths[ref.layer] = 0
            graph.first_visit[ref.layer] = -1
    return tuple(sorted(depths, key=lambda name: (-depths[name], graph.first_visit[name])))


class _Graph:
    """The calls of a model, and what a walk from the outputs found out about them."""

    def __init__(self, layers: dict[str, LayerSpec], inputs: frozenset[TensorRef]) -> None:
        self.layers = layers
        self.inputs = inputs
        self.first_visit: dict[str, int] = {}
        self.finished: list[Node] = []
        """Every call after all calls that it needs."""
        self._parents: dict[Node, tuple[TensorRef, ...]] = {}
        self._is_done: set[Node] = set()

    def layer(self, ref: TensorRef, reader: str = "an output") -> LayerSpec:
        layer = self.layers.get(ref.layer)
        if layer is None or ref.call >= len(layer.calls):
            raise ModelInvalid(f"{reader} reads the tensor {ref}, which the graph does not have")
        return layer

    def visit(self, output: TensorRef) -> None:
        """Walks depth-first from one output, as the recursion of Keras does."""
        open_calls: dict[Node, Iterator[TensorRef]] = {}
        path: list[Node] = []
        self._enter(output, "an output", path, open_calls)
        while path:
            node = path[-1]
            ref = next(open_calls[node], None)
            if ref is not None:
                self._enter(ref, f"layer '{node[0]}'", path, open_calls)
                continue
            path.pop()
            del open_calls[node]
            self._is_done.add(node)
            self.finished.append(node)

    def _enter(
        self, ref: TensorRef, reader: str, path: list[Node], open_calls: dict[Node, Iterator[TensorRef]]
    ) -> None:
        node = (ref.layer, ref.call)
        if node in self._is_done:
            return
        refs = self.layer(ref, reader).calls[ref.call].refs()
        if refs and ref in self.inputs:
            self._is_done.add(node)
            return
        if node in open_calls:
            raise ModelInvalid(f"layer '{ref.layer}' needs its own output: the graph has a cycle")
        self.first_visit.setdefault(ref.layer, len(self.first_visit))
        self._parents[node] = refs
        open_calls[node] = iter(refs)
        path.append(node)

    def depths(self) -> dict[str, int]:
        """The longest way from each layer to an output."""
        calls: dict[Node, int] = {}
        layers: dict[str, int] = {}
        for node in reversed(self.finished):
            depth = max(calls.get(node, 0), layers.get(node[0], 0))
            layers[node[0]] = depth
            for ref in self._parents[node]:
                parent = (ref.layer, ref.call)
                if parent in self._parents:
                    calls[parent] = max(depth + 1, calls.get(parent, 0))
        return layers
