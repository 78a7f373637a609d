"""A YAML file as a tree of values that know where they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from surgery.errors import Location

Scalar = str | int | float | bool | None
Key = str | int
Mark = Literal["key", "value"]


@dataclass(frozen=True, slots=True)
class Span:
    """A place on one line, counted from 1. Width 0 is a value that was left out."""

    line: int
    column: int
    width: int


@dataclass(frozen=True, slots=True)
class Node:
    """A value: a scalar, a list of nodes, or a map from key to entry."""

    span: Span
    content: Scalar | tuple[Node, ...] | Mapping[str, Entry] = None
    is_refused: bool = False
    """The reader has refused it already; nothing more need be said about what is in it."""
    parameters: tuple[str, ...] = ()
    """The parameters that the value came from."""

    def child(self, key: Key) -> Node | None:
        """The node under a key or at an index."""
        if isinstance(self.content, Mapping) and key in self.content:
            entry: Entry = self.content[str(key)]
            return entry.node
        if isinstance(self.content, tuple) and isinstance(key, int) and 0 <= key < len(self.content):
            return self.content[key]
        return None

    def key_span(self, key: Key) -> Span | None:
        """Where a key of this map is written."""
        if isinstance(self.content, Mapping) and key in self.content:
            return self.content[str(key)].key
        return None

    def plain(self) -> Any:
        """The value as Python's dicts, lists and scalars."""
        match self.content:
            case Mapping() as entries:
                return {key: entry.node.plain() for key, entry in entries.items()}
            case tuple() as items:
                return [item.plain() for item in items]
            case scalar:
                return scalar

    def walk(self, keys: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], Node]]:
        """Every node below and this one, with the keys that lead to it."""
        yield keys, self
        match self.content:
            case Mapping() as entries:
                for key, entry in entries.items():
                    yield from entry.node.walk((*keys, key))
            case tuple() as items:
                for index, item in enumerate(items):
                    yield from item.walk((*keys, index))


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a map."""

    key: Span
    node: Node


@dataclass(frozen=True)
class Document:
    """A file: its path as the user wrote it, its lines, its values."""

    path: str
    lines: tuple[str, ...]
    root: Node

    def find(self, *keys: Key) -> Node | None:
        """The node at these keys, if there is one."""
        node: Node | None = self.root
        for key in keys:
            node = node.child(key) if node else None
        return node

    def is_refused(self, *keys: Key) -> bool:
        """True when the value at these keys, or one around it, was refused by the reader."""
        nodes = [self.find(*keys[:end]) for end in range(len(keys) + 1)]
        return any(node.is_refused for node in nodes if node)

    def location(self, *keys: Key, mark: Mark = "value") -> Location:
        """Where the value at these keys is written, or its key. Where there is none: the nearest thing around it."""
        span, node = self.root.span, self.root
        for key in keys:
            below = node.child(key)
            if below is None:
                break
            name = node.key_span(key)
            node = below
            span = name if name and (mark == "key" or node.span.width == 0) else node.span
        return self.at(span)

    def at(self, span: Span) -> Location:
        return locate(self.path, self.lines, span)


def locate(path: str, lines: tuple[str, ...], span: Span) -> Location:
    """A span as a location, with the text of its line for the frame."""
    text = lines[span.line - 1] if 0 < span.line <= len(lines) else ""
    width = max(1, span.width)
    return Location(path, span.line, span.column, width, _shown(text))


@lru_cache(maxsize=16)
def _shown(line: str) -> str:
    """Remembered, for a recipe may be one long line with thousands of places at fault."""
    return "".join(c if c.isprintable() else " " for c in line)
