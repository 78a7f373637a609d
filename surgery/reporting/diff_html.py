"""A diff as one HTML file: both graphs, what changed in each layer, and the tables of it all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surgery.errors import printable
from surgery.model.changes import Diff
from surgery.reporting.diff_lines import rows, summary, totals, weight_cells
from surgery.reporting.graph_svg import draw
from surgery.reporting.graph_view import graph_view
from surgery.reporting.page_html import Block, Page, Section, Total, page_html
from surgery.reporting.page_layers import Row, layer_rows

SHOWN = 40
LEGEND = ("added", "removed", "changed", "renamed", "unfrozen", "frozen")

Parts = dict[str, list[tuple[str, list[Row]]]]


def diff_html(diff: Diff, title: str) -> str:
    """The whole file.

    Args:
        diff: What was found.
        title: What was compared.
    """
    kinds = dict(_kinds(diff))
    back = {new: old for old, new in diff.pairs.items()}
    gone = {old: kinds[new] for old, new in diff.pairs.items() if new in kinds}
    gone |= {entry.path: "removed" for entry in diff.removed}
    parts = _parts(diff)
    old, new = graph_view(diff.old), graph_view(diff.new)
    old_parts = {back.get(path, path): told for path, told in parts.items()}
    shown = {*map(gone.get, old.boxes), *map(kinds.get, new.boxes)}
    return page_html(
        Page(
            title=printable(title),
            state=("good", "No differences") if diff.identical else None,
            lead=(summary(diff),),
            totals=[Total(name, *_split(text)) for name, text in totals(diff)],
            drawings=(draw("Before", old, gone), draw("After", new, kinds)),
            layers=(layer_rows(old, gone, old_parts), layer_rows(new, kinds, parts)),
            legend=[word for word in LEGEND if word in shown],
            sections=list(_sections(diff)),
            footer="Written by surgery diff. This file fetches nothing.",
        )
    )


def _split(text: str) -> tuple[str, str]:
    """`1 -> 2 (+1)` as the number that holds now, and how it came to it."""
    if " -> " not in text:
        return text.removesuffix(" (unchanged)"), "unchanged" if text.endswith("(unchanged)") else ""
    before, _, rest = text.partition(" -> ")
    after, _, moved = rest.partition(" ")
    return after, f"was {before} {moved}"


def _kinds(diff: Diff) -> Iterator[tuple[str, str]]:
    """What became of each layer of the new model; what is said last holds."""
    for flag in diff.trainability:
        yield flag.path, "unfrozen" if flag.new else "frozen"
    for weight in diff.weights:
        yield weight.path, "changed"
    for path in (*(change.path for change in diff.changed), *(wiring.path for wiring in diff.rewired)):
        yield path, "changed"
    for rename in diff.renamed:
        yield rename.new, "renamed"
    for entry in diff.added:
        yield entry.path, "added"


def _parts(diff: Diff) -> Parts:
    found: Parts = {}
    for row in rows(diff):
        _part(found, row.path, "What changed").append((row.sign, row.text))
    for weight in diff.weights:
        _, variable, shapes, status, moved = weight_cells(weight)
        _part(found, weight.path, "Weights").append((variable, " ".join(filter(None, (status, shapes, moved)))))
    return found


def _part(found: Parts, path: str, title: str) -> list[Row]:
    parts = found.setdefault(path, [])
    if title not in dict(parts):
        parts.append((title, []))
    return dict(parts)[title]


def _sections(diff: Diff) -> Iterator[Section]:
    layers = [(row.sign, printable(row.path), printable(row.text)) for row in rows(diff)]
    if layers:
        yield Section("Layers", _table(("", "layer", "change"), layers, "more changes"))
    weights = [tuple(map(printable, weight_cells(weight))) for weight in diff.weights]
    if weights:
        yield Section("Variables", _table(("layer", "variable", "shape", "", "how far"), weights, "more variables"))


def _table(head: Sequence[str], body: Sequence[Sequence[str]], more: str) -> list[Block]:
    rest = body[SHOWN:]
    folded = [Block(head=head, rows=rest, folded=f"{len(rest)} {more}")] if rest else []
    return [Block(head=head, rows=body[:SHOWN]), *folded]
