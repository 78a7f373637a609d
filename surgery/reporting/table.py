"""Columns of plain text, and numbers as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from surgery.errors import printable


def table(rows: Iterable[Sequence[str]], *, indent: str = "", right: Iterable[int] = ()) -> list[str]:
    """Rows as aligned lines. `right` names the columns that are aligned to the right. No line ends in blanks."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        return []
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    numbers = set(right)
    return [indent + _line(row, widths, numbers) for row in cells]


def _line(row: Sequence[str], widths: Sequence[int], numbers: set[int]) -> str:
    parts = [
        cell.rjust(width) if column in numbers else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(parts).rstrip()


def count(number: int) -> str:
    """`1234567` as `1,234,567`."""
    return f"{number:,}"


def change(before: int, after: int) -> str:
    """`1,000 -> 1,200 (+200)`."""
    if before == after:
        return f"{count(after)} (unchanged)"
    return f"{count(before)} -> {count(after)} ({after - before:+,})"


def shape(value: Any) -> str:
    """A shape, or several, as Keras prints them; `?` where it is not known."""
    if value is None:
        return "?"
    if value and isinstance(value[0], list):
        return ", ".join(shape(one) for one in value)
    return f"({', '.join(str(n) for n in value)}{',' if len(value) == 1 else ''})"
