"""A diff for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from surgery.model.changes import Diff
from surgery.reporting.diff_lines import Row, rows, summary, totals, weight_cells
from surgery.reporting.table import table

MOST_ALIKE = 8
"""Rows of one text that are printed one by one."""


def diff_text(diff: Diff) -> str:
    """The whole diff: summary, layers, weights, totals."""
    lines = [summary(diff)]
    found = list(rows(diff))
    if found:
        lines += ["", "Layers", *table(_gathered(found), indent="  ")]
    if diff.weights:
        lines += ["", "Weights", *table(map(weight_cells, diff.weights), indent="  ")]
    if not diff.identical:
        lines += ["", *table((f"{word}:", text) for word, text in totals(diff))]
    return "\n".join(lines)


def _gathered(found: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """Many changes of one kind as one line: `~ 17 layers  trainable: true -> false`."""
    found = list(found)
    counts = Counter((row.sign, row.text) for row in found)
    told: set[tuple[str, str]] = set()
    for row in found:
        alike = (row.sign, row.text)
        if counts[alike] <= MOST_ALIKE:
            yield f"{row.sign} {row.path}", row.text
        elif alike not in told:
            told.add(alike)
            yield f"{row.sign} {counts[alike]} layers", row.text
