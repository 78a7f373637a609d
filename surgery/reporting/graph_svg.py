"""A graph as SVG that stands by itself: zoom, search and details are the page's business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from surgery.errors import printable
from surgery.reporting.graph_layout import HEIGHT, WIDTH, Point, layout
from surgery.reporting.graph_view import GraphView
from surgery.reporting.table import shape

MARGIN = 16
LONGEST, WIDEST = 28, 33
"""Characters of the two lines of a box."""
_BOX = Markup(
    '<g class="box {kind}{frozen}" data-box="{number}" tabindex="-1" role="button" aria-label="{label}" '
    'transform="translate({x:.1f} {y:.1f})"><title>{title}</title>'
    '<rect width="{width:.0f}" height="{height:.0f}" rx="7"/>'
    '<text class="name" x="10" y="18">{name}</text><text class="kind" x="10" y="33">{detail}</text></g>'
)


@dataclass(frozen=True)
class Drawing:
    """A picture of one model, and its size in pixels."""

    title: str
    svg: Markup
    width: int
    height: int
    boxes: tuple[str, ...]
    """The paths of the boxes, by number."""


def draw(title: str, view: GraphView, kinds: Mapping[str, str]) -> Drawing:
    """Draws a graph.

    Args:
        title: What the picture is of.
        view: The graph.
        kinds: What became of a layer, by path: added, removed, changed, renamed, frozen, unfrozen.
    """
    found = layout(list(view.boxes), view.edges)
    parts = [_edge(way) for way in found.ways.values()]
    for number, path in enumerate(view.boxes):
        x, y = found.centres[path]
        parts.append(_box(view, path, kinds.get(path, ""), number, (x - WIDTH / 2, y - HEIGHT / 2)))
    width, height = round(found.width + 2 * MARGIN), round(found.height + 2 * MARGIN)
    svg = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="group" aria-label="{title}">'
        '<g class="scene"><g transform="translate({margin} {margin})">{parts}</g></g></svg>'
    ).format(width=width, height=height, title=title, margin=MARGIN, parts=Markup("\n").join(parts))
    return Drawing(title, svg, width, height, tuple(view.boxes))


def _box(view: GraphView, path: str, kind: str, number: int, corner: Point) -> Markup:
    layer = view.boxes[path]
    shapes = [list(tensor.shape) for tensor in layer.outputs]
    size = _short(shape(shapes[0] if len(shapes) == 1 else shapes or None), WIDEST - 8)
    name = printable(path)
    words = [name, layer.class_name, *([kind] if kind else []), *(["frozen"] if _is_frozen(view, path) else [])]
    return _BOX.format(
        kind=kind,
        frozen=" is-frozen" if _is_frozen(view, path) else "",
        number=number,
        label=", ".join(words),
        title=name,
        x=corner[0],
        y=corner[1],
        width=WIDTH,
        height=HEIGHT,
        name=_short(name),
        detail=f"{_short(printable(layer.class_name), WIDEST - len(size))}\u2002{size}",
    )


def _is_frozen(view: GraphView, path: str) -> bool:
    layer = view.boxes[path]
    return bool(layer.weights) and not layer.trainable


def _edge(way: Sequence[Point]) -> Markup:
    """A smooth line that leaves and arrives from above."""
    (x, y), *_ = way
    steps = [f"M{x:.1f} {y:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(way):
        if x0 == x1 and y1 > y0:
            steps.append(f"V{y1:.1f}")
            continue
        bend = max(12.0, abs(y1 - y0) / 2)
        steps.append(f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}")
    return Markup('<path class="edge" d="{}"/>').format(escape("".join(steps)))


def _short(text: str, longest: int = LONGEST) -> str:
    """The beginning and the end of a long name: numbered layers differ in their ends."""
    if len(text) <= longest:
        return text
    tail = (longest - 1) * 3 // 5
    return f"{text[: longest - 1 - tail]}…{text[-tail:]}"
