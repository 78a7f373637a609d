"""The written form of a recipe: which lines and columns each value takes. The formatter works on it.

The reader's tree knows where a value begins; a formatter must also know where it ends, and how it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.events import MappingEndEvent, MappingStartEvent, NodeEvent, ScalarEvent, SequenceEndEvent

from surgery.recipe.syntax import events

BLOCK_STYLES = ("|", ">")


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the text, counted from 0."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A value as it is written. Block maps and lists have a line of their own for each child; flow ones have brackets."""

    start: Place
    end: Place
    children: tuple[Child, ...] = ()
    kind: str = "scalar"
    """scalar, map or list."""
    is_flow: bool = False
    style: str | None = None
    """Of a scalar: the quote or the block indicator that it is written with."""

    @property
    def is_block(self) -> bool:
        """Whether it is a map or a list in lines rather than in brackets."""
        return self.kind != "scalar" and not self.is_flow

    @property
    def is_on_one_line(self) -> bool:
        return self.start.line == self.end.line


@dataclass(frozen=True, slots=True)
class Child:
    """An entry of a map, or an item of a list, which has no key."""

    start: Place
    """Where the key begins; of an item in a block list, the dash."""
    name: str | None
    key: Piece | None
    value: Piece


def outline(text: str) -> Piece:
    """The written form of a text that the reader has accepted."""
    stream = events(text)
    lines = text.split("\n")
    first = next(event for event in stream if isinstance(event, NodeEvent))
    return _piece(first, stream, lines)


def _piece(event: Any, stream: Iterator[Any], lines: list[str]) -> Piece:
    start = _place(event.start_mark)
    if isinstance(event, ScalarEvent):
        end = _end_of_block(event, lines) if event.style in BLOCK_STYLES else _place(event.end_mark)
        return Piece(start, end, style=event.style)
    read = _entries if isinstance(event, MappingStartEvent) else _items
    children, end = read(event, stream, lines)
    kind = "map" if isinstance(event, MappingStartEvent) else "list"
    return Piece(start, end, children, kind, bool(event.flow_style))


def _place(mark: Any) -> Place:
    return Place(mark.line, mark.column)


def _end_of_block(event: Any, lines: list[str]) -> Place:
    """Behind the last line of a text after `|` or `>` that is not blank."""
    first, last = event.start_mark.line, event.end_mark.line - (event.end_mark.column == 0)
    while last > first and not lines[last].strip():
        last -= 1
    return Place(last, len(lines[last]))


def _entries(event: Any, stream: Iterator[Any], lines: list[str]) -> tuple[tuple[Child, ...], Place]:
    children = []
    while not isinstance(first := next(stream), MappingEndEvent):
        key = _piece(first, stream, lines)
        children.append(Child(key.start, str(first.value), key, _piece(next(stream), stream, lines)))
    return tuple(children), _place(first.end_mark)


def _items(event: Any, stream: Iterator[Any], lines: list[str]) -> tuple[tuple[Child, ...], Place]:
    children = []
    column = event.start_mark.column
    line = event.start_mark.line
    while not isinstance(item := next(stream), SequenceEndEvent):
        value = _piece(item, stream, lines)
        if event.flow_style:
            children.append(Child(value.start, None, None, value))
        else:
            line = _dash(lines, line, value.start.line, column)
            children.append(Child(Place(line, column), None, None, value))
            line += 1
    return tuple(children), _place(item.end_mark)


def _dash(lines: list[str], first: int, last: int, column: int) -> int:
    """The line of the dash of an item whose value begins at `last`."""
    for line in range(last, first - 1, -1):
        if lines[line][column : column + 2].rstrip() == "-" and not lines[line][:column].strip(" -"):
            return line
    return last
