"""A model as a flat graph to draw: nested models opened, each layer with what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from surgery.model.spec import LayerSpec, ModelSpec, leaves

Ends = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class GraphView:
    """The boxes by path, in Keras' order, and the edges between them."""

    boxes: dict[str, LayerSpec] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)


def graph_view(model: ModelSpec) -> GraphView:
    """The graph of a model. A nested model is its layers, and its InputLayers are what its feeders feed."""
    view = GraphView()
    _open(model, "", view)
    view.edges[:] = list(dict.fromkeys(view.edges))
    return view


def _open(model: ModelSpec, prefix: str, view: GraphView) -> Ends:
    """Adds a model to the view; says which boxes take what goes into it and which give what comes out."""
    ends: dict[str, Ends] = {}
    for layer in model.layers:
        path = prefix + layer.name
        if layer.inner:
            ends[layer.name] = _open(layer.inner, f"{path}/", view)
        else:
            view.boxes[path] = layer
            ends[layer.name] = ((path,), (path,))
    for layer in model.layers:
        for feeder in layer.inbound:
            if feeder in ends:
                view.edges.extend((one, other) for one in ends[feeder][1] for other in ends[layer.name][0])
    taking = tuple(box for name in _names(model.inputs, model, first=True) for box in ends[name][0])
    giving = tuple(box for name in _names(model.outputs, model, first=False) for box in ends[name][1])
    return taking, giving


def _names(structure: object, model: ModelSpec, *, first: bool) -> Iterator[str]:
    """The layers at the leaves of a structure; of a Sequential that was never built, its first or last layer."""
    found = list(dict.fromkeys(ref.layer for ref in leaves(structure) if ref.layer in model.by_name))
    if not found and model.layers:
        found = [model.layers[0 if first else -1].name]
    yield from found
