"""The curves of a run: an SVG image, and a line of blocks where an image cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 30, 34
TRAINING, VALIDATION = "#1f77b4", "#d95f02"
BLOCKS = "▁▂▃▄▅▆▇█"

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric over the epochs of all stages, in training and, where there is one, in validation."""

    name: str
    training: tuple[float | None, ...]
    validation: tuple[float | None, ...]


def curves_of(document: Document) -> list[Curve]:
    """The curves in a `run.json`, the loss first. Epochs count on over the stages."""
    epochs = [epoch["metrics"] for stage in document["stages"] for epoch in stage["epochs"]]
    names = dict.fromkeys(name.removeprefix("val_") for metrics in epochs for name in metrics)
    ordered = sorted(names, key=lambda name: name != "loss")
    return [
        Curve(
            name,
            tuple(metrics.get(name) for metrics in epochs),
            tuple(metrics.get(f"val_{name}") for metrics in epochs),
        )
        for name in ordered
    ]


def curves_svg(document: Document) -> str | None:
    """All curves side by side, two in a row. None where nothing was trained."""
    curves = curves_of(document)
    if not curves:
        return None
    lengths = [len(stage["epochs"]) for stage in document["stages"]]
    starts = [sum(lengths[:number]) for number in range(1, len(lengths))]
    columns = min(2, len(curves))
    width, height = WIDTH * columns, HEIGHT * -(-len(curves) // columns)
    panels = [
        f'<g transform="translate({WIDTH * (number % columns)} {HEIGHT * (number // columns)})">'
        + "".join(_panel(curve, starts))
        + "</g>"
        for number, curve in enumerate(curves)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><rect width="{width}" height="{height}" fill="white"/>'
        + "\n".join(panels)
        + "</svg>\n"
    )


def sparkline(values: Sequence[float | None]) -> str:
    """`▁▃▅█` for rising values; a blank where there is none."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)

    def block(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return " "
        return BLOCKS[round((value - low) / span * (len(BLOCKS) - 1))] if span else BLOCKS[0]

    return "".join(block(value) for value in values)


def _panel(curve: Curve, starts: Sequence[int]) -> Iterator[str]:
    drawn = [v for v in (*curve.training, *curve.validation) if v is not None and math.isfinite(v)]
    if not drawn:
        return
    low, high = _range(drawn)
    count = len(curve.training)

    def x(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((epoch / (count - 1)) if count > 1 else 0.5)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    yield f'<text x="{LEFT}" y="18" font-weight="bold">{escape(curve.name)}</text>'
    for value in (low, (low + high) / 2, high):
        yield f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
    for start in starts:
        yield f'<path d="M{x(start - 0.5):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#999" stroke-dasharray="3 3"/>'
    for epoch in sorted({0, count - 1}):
        yield f'<text x="{x(epoch):.1f}" y="{HEIGHT - 18}" text-anchor="middle">{epoch + 1}</text>'
    yield f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 5}" text-anchor="middle" fill="#555">epoch</text>'
    named = ((curve.training, TRAINING, "training"), (curve.validation, VALIDATION, "validation"))
    for place, (values, colour, label) in enumerate(named):
        points = [(x(n), y(v)) for n, v in enumerate(values) if v is not None and math.isfinite(v)]
        if points:
            yield _line(points, colour)
            yield f'<text x="{WIDTH - RIGHT - 70 * (1 - place)}" y="18" text-anchor="end" fill="{colour}">{label}</text>'


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - room, high + room
