"""What a page says of each layer when it is clicked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from surgery.errors import printable
from surgery.model.flow import flow
from surgery.model.spec import LayerSpec
from surgery.reporting.graph_view import GraphView
from surgery.reporting.table import count, shape

LONGEST = 300
Row = Sequence[str]


def layer_rows(
    view: GraphView, kinds: Mapping[str, str], parts: Mapping[str, Sequence[tuple[str, Sequence[Row]]]]
) -> list[dict[str, Any]]:
    """One entry for each box of a picture, in the order of the boxes.

    Args:
        view: The graph.
        kinds: What became of a layer, by path.
        parts: What else there is to say of a layer, by path: a title and rows.
    """
    feeders: dict[str, list[str]] = {}
    for one, other in view.edges:
        feeders.setdefault(other, []).append(one)
    return [
        {
            "path": printable(path),
            "class_name": printable(layer.class_name),
            "kind": kinds.get(path, ""),
            "parts": [
                {"title": title, "rows": [[_short(cell) for cell in row] for row in rows]}
                for title, rows in (
                    ("The layer", _facts(layer, feeders.get(path, []))),
                    *parts.get(path, ()),
                    ("Variables", _variables(layer)),
                    ("Configuration", [(key, value_text(value)) for key, value in layer.config.items()]),
                )
                if rows
            ],
        }
        for path, layer in view.boxes.items()
    ]


def _facts(layer: LayerSpec, feeders: Sequence[str]) -> list[Row]:
    shapes = [list(tensor.shape) for tensor in layer.outputs]
    return [
        ("output", shape(shapes[0] if len(shapes) == 1 else shapes or None)),
        ("parameters", count(layer.parameters)),
        *([("trainable", "yes" if layer.trainable else "no")] if layer.weights else []),
        *([("fed by", ", ".join(feeders))] if feeders else []),
    ]


def _variables(layer: LayerSpec) -> list[Row]:
    return [(weight.name, f"{shape(list(weight.shape))} {weight.dtype}") for weight in layer.weights]


def value_text(value: Any) -> str:
    """A value of a config. An object that Keras serialized is its class, with the arguments that are not null."""
    if isinstance(value, Mapping) and "class_name" in value and isinstance(value.get("config"), Mapping):
        told = {key: item for key, item in value["config"].items() if item is not None}
        return f"{value['class_name']} {flow(told)}" if told else str(value["class_name"])
    return flow(value)


def _short(text: str) -> str:
    plain = printable(text)
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"
