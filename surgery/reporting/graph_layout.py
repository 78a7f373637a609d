"""Where the boxes of a graph go: rows from the inputs down, few crossings, and edges that pass between boxes.

The usual four steps for layered graphs: a row for each node, stand-ins where an edge passes a row, an order within each row
by the mean place of the neighbours, and columns as near to the neighbours as the order allows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 216.0, 42.0
"""Of a box, in pixels."""
ACROSS, DOWN = 28.0, 30.0
"""Room between boxes."""
LANE = 16.0
"""Width of an edge that passes a row."""
SWEEPS = 8
MOST_STAND_INS = 4_000
"""Beyond this, long edges are drawn straight: such a graph is no picture any more."""

Edge = tuple[str, str]
Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """The centre of every box, the way of every edge, and the size of it all."""

    centres: Mapping[str, Point]
    ways: Mapping[Edge, tuple[Point, ...]]
    width: float
    height: float


def layout(nodes: Sequence[str], edges: Iterable[Edge]) -> Layout:
    """Lays a graph out. Cycles are allowed; the edge that closes one goes up."""
    kept = [edge for edge in dict.fromkeys(edges) if edge[0] != edge[1]]
    forward = _without_cycles(nodes, kept)
    rows = _rows(nodes, forward)
    grid = _Grid(nodes, forward, rows)
    grid.order()
    columns = grid.columns()
    least = min((columns[name] - grid.room(name) / 2 for name in columns), default=0.0)
    place = {name: (column - least, _level(grid.row[name])) for name, column in columns.items()}
    ways = {}
    for edge in kept:
        ways[edge] = _way(place[edge[0]], [place[name] for name in grid.passing.get(edge, ())], place[edge[1]])
    width = max((place[name][0] + grid.room(name) / 2 for name in place), default=0.0)
    height = max((y + HEIGHT / 2 for _, y in place.values()), default=0.0)
    return Layout({name: place[name] for name in nodes}, ways, width, height)


def _way(start: Point, passed: Sequence[Point], end: Point) -> tuple[Point, ...]:
    """From the bottom of one box to the top of another, straight down beside every box that it passes."""
    beside = [(x, y + side * HEIGHT / 2) for x, y in passed for side in (-1, 1)]
    return ((start[0], start[1] + HEIGHT / 2), *beside, (end[0], end[1] - HEIGHT / 2))


def _level(row: int) -> float:
    return row * (HEIGHT + DOWN) + HEIGHT / 2


def _without_cycles(nodes: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """The edges but those that lead back, in a walk that begins at the first nodes."""
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for start, end in edges:
        after[start].append(end)
    back: set[Edge] = set()
    state: dict[str, int] = {}
    for root in nodes:
        stack = [(root, iter(after[root]))] if root not in state else []
        state.setdefault(root, 1)
        while stack:
            name, following = stack[-1]
            for end in following:
                if state.get(end) == 1:
                    back.add((name, end))
                elif end not in state:
                    state[end] = 1
                    stack.append((end, iter(after[end])))
                    break
            else:
                state[name] = 2
                stack.pop()
    return [edge for edge in edges if edge not in back]


def _rows(nodes: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """One row below the lowest feeder; what nothing feeds stands right above what it feeds."""
    feeders: dict[str, list[str]] = {name: [] for name in nodes}
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for start, end in edges:
        feeders[end].append(start)
        after[start].append(end)
    waiting = {name: len(found) for name, found in feeders.items()}
    ready = [name for name in nodes if not waiting[name]]
    rows: dict[str, int] = {}
    for name in ready:
        rows[name] = max((rows[feeder] + 1 for feeder in feeders[name]), default=0)
        for end in after[name]:
            waiting[end] -= 1
            if not waiting[end]:
                ready.append(end)
    for name in nodes:
        if not feeders[name] and after[name]:
            rows[name] = max(0, min(rows[end] for end in after[name]) - 1)
    return rows


class _Grid:
    """Rows of boxes and of stand-ins for the edges that pass them."""

    def __init__(self, nodes: Sequence[str], edges: Sequence[Edge], rows: Mapping[str, int]) -> None:
        self.row = dict(rows)
        self.boxes = set(nodes)
        self.passing: dict[Edge, tuple[str, ...]] = {}
        self.above: dict[str, list[str]] = {}
        self.below: dict[str, list[str]] = {}
        length = sum(rows[end] - rows[start] - 1 for start, end in edges)
        for number, (start, end) in enumerate(edges):
            between = range(rows[start] + 1, rows[end]) if length <= MOST_STAND_INS else ()
            # A name that no layer has: layers are named by text without a NUL.
            stand_ins = tuple(f"\0{number}:{row}" for row in between)
            self.row |= dict(zip(stand_ins, between, strict=True))
            self.passing[start, end] = stand_ins
            chain = (start, *stand_ins, end)
            for one, other in itertools.pairwise(chain):
                self.below.setdefault(one, []).append(other)
                self.above.setdefault(other, []).append(one)
        self.rows: list[list[str]] = [[] for _ in range(max(self.row.values(), default=-1) + 1)]
        for name, row in self.row.items():
            self.rows[row].append(name)

    def room(self, name: str) -> float:
        return WIDTH + ACROSS if name in self.boxes else LANE

    def order(self) -> None:
        """Brings each row into the order of the mean places of its neighbours, downwards and upwards in turn."""
        place = {name: _share(row, index) for row in self.rows for index, name in enumerate(row)}
        for sweep in range(SWEEPS):
            near = self.below if sweep % 2 else self.above
            for row in reversed(self.rows) if sweep % 2 else self.rows:
                row.sort(key=lambda name: _mean([place[other] for other in near.get(name, ())], place[name]))
                place |= {name: _share(row, index) for index, name in enumerate(row)}

    def columns(self) -> dict[str, float]:
        """The centre of every box, from left to right: near the neighbours, no two over one another."""
        found: dict[str, float] = {}
        for row in self.rows:
            found |= dict(zip(row, self._packed(row, [0.0] * len(row)), strict=True))
        for sweep in range(2 * SWEEPS):
            near = self.below if sweep % 2 else self.above
            for row in reversed(self.rows) if sweep % 2 else self.rows:
                wanted = [_mean([found[other] for other in near.get(name, ())], found[name]) for name in row]
                found |= dict(zip(row, self._packed(row, wanted), strict=True))
        return found

    def _packed(self, row: Sequence[str], wanted: Sequence[float]) -> list[float]:
        """The places nearest to the wanted ones that keep order and distance: isotonic regression."""
        offsets, at = [], 0.0
        for name in row:
            offsets.append(at + self.room(name) / 2)
            at += self.room(name)
        blocks: list[tuple[float, int]] = []
        for want, offset in zip(wanted, offsets, strict=True):
            mean, size = want - offset, 1
            while blocks and blocks[-1][0] > mean:
                other, count = blocks.pop()
                mean, size = (mean * size + other * count) / (size + count), size + count
            blocks.append((mean, size))
        bases = [mean for mean, size in blocks for _ in range(size)]
        return [base + offset for base, offset in zip(bases, offsets, strict=True)]


def _share(row: Sequence[str], index: int) -> float:
    """A place in a row between 0 and 1, so that long and short rows compare."""
    return (index + 0.5) / len(row)


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default
