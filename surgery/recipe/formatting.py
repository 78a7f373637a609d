"""The canonical form of a recipe: order of keys, indentation, brackets, quotes, blank lines. Comments stay with what they
stand above or beside, and the recipe means what it meant.

It works on the lines of the file rather than on a tree that is written anew: whatever it does not understand stays as it is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surgery.recipe.flow_style import flow_text, scalar_text
from surgery.recipe.key_order import below, order_in
from surgery.recipe.loader import parse_recipe
from surgery.recipe.outline import BLOCK_STYLES, Child, Piece, outline
from surgery.recipe.reader import read_yaml
from surgery.recipe.recipe import Recipe

STEP = 2
_MODELINE = "# yaml-language-server:"


def format_recipe(path: Path, data: bytes) -> bytes:
    """The recipe in canonical form; the same bytes when it has that already.

    Raises:
        SurgeryError: everything that is wrong with the recipe. Only what can be loaded can be formatted.
    """
    recipe = parse_recipe(path, data, {})
    text = data.decode("utf-8").replace("\r\n", "\n")
    formatted = _formatted(text, recipe)
    if formatted != text:
        _require_same(path, text, formatted, recipe)
    return formatted.encode()


def _formatted(text: str, recipe: Recipe) -> str:
    root = outline(text)
    if not root.is_block or not root.children:
        return text
    lines = text.split("\n")
    for number in range(root.children[0].start.line):
        lines[number] = lines[number].removeprefix("---").lstrip(" ") if lines[number][:3] == "---" else lines[number]
    end = next((n for n in range(_last_line(root) + 1, len(lines)) if lines[n].startswith("...")), len(lines))
    try:
        written = _Writing(lines).root(root, recipe, end)
    except _Unusual:
        return text
    return "\n".join(written) + "\n"


class _Unusual(Exception):
    """A way of writing that is left alone: keys with `?`, a value on the line after its dash, text that ends in blank lines."""


@dataclass(frozen=True)
class _Entry:
    """An entry with the comments above it, both written at their new place."""

    lead: list[str]
    body: list[str]
    place: int


class _Writing:
    """One pass over the lines of a file."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def root(self, root: Piece, recipe: Recipe, end: int) -> list[str]:
        first = root.children[0].start.line
        header = _header(self.lines[:first])
        entries, tail = self._entries(root, recipe, header, end, 0)
        written = _tidy(self.lines[:header], 0)
        for number, entry in enumerate(entries):
            is_apart = number > 0 and (len(entry.body) > 1 or len(entries[number - 1].body) > 1)
            lead = entry.lead if number else _without_blank(entry.lead)
            written += ["", *_without_blank(lead)] if is_apart else lead
            written += entry.body
        return _without_blank([*written, *tail])

    def _collection(self, piece: Piece, value: Any, first: int, end: int, indent: int) -> list[str]:
        entries, tail = self._entries(piece, value, first, end, indent)
        written = [line for entry in entries for line in (*entry.lead, *entry.body)]
        return [*_without_blank(written), *tail]

    def _entries(self, piece: Piece, value: Any, first: int, end: int, indent: int) -> tuple[list[_Entry], list[str]]:
        """The entries of a block, which is written in the lines from `first` to before `end`, and the comments below."""
        entries: list[_Entry] = []
        for index, child in enumerate(piece.children):
            following = piece.children[index + 1] if index + 1 < len(piece.children) else None
            limit = following.start.line if following else end
            stop = self._boundary(child, limit)
            lead = _tidy(self.lines[first : child.start.line], indent)
            body = self._child(child, below(value, child.name, index), stop, indent)
            entries.append(_Entry(lead, body, order_in(value, child.name)))
            first = stop
        return sorted(entries, key=lambda entry: entry.place), _without_trailing(_tidy(self.lines[first:end], indent))

    def _boundary(self, child: Child, limit: int) -> int:
        """The line where a child ends: comments above the next one, no deeper than it, are that one's."""
        stop, content = limit, _last_line_of(child)
        while stop - 1 > content:
            line = self.lines[stop - 1]
            if line.strip() and len(line) - len(line.lstrip()) > child.start.column:
                break
            stop -= 1
        return stop

    def _child(self, child: Child, value: Any, stop: int, indent: int) -> list[str]:
        if child.key is not None and self.lines[child.key.end.line][child.key.end.column :].lstrip()[:1] != ":":
            raise _Unusual
        if child.name is None:
            return self._item(child, value, stop, indent)
        if child.value.is_block:
            head = self.lines[child.start.line][child.start.column :].rstrip()
            below_it = self._collection(child.value, value, child.start.line + 1, stop, indent + STEP)
            return [" " * indent + head, *below_it]
        return self._leaf(child, value, stop, indent, child.start.column)

    def _item(self, child: Child, value: Any, stop: int, indent: int) -> list[str]:
        here = child.start.line
        is_apart = child.value.start.line != here
        if not child.value.is_block:
            if is_apart and not _is_empty(child.value):
                raise _Unusual
            written = self._leaf(child, value, stop, indent + STEP, child.value.start.column if not is_apart else None)
        else:
            written = self._collection(child.value, value, here + is_apart, stop, indent + STEP)
            beside = self.lines[here][child.start.column + 1 :].strip() if is_apart else ""
            written = [*([beside] if beside else []), *written]
        number = next(
            n for n, line in enumerate(written) if not line.lstrip().startswith("#") or _is_empty(child.value)
        )
        above = [" " * indent + line.strip() for line in written[:number]]
        return [*above, " " * indent + f"- {written[number].lstrip()}".rstrip(), *written[number + 1 :]]

    def _leaf(self, child: Child, value: Any, stop: int, indent: int, column: int | None) -> list[str]:
        """A scalar or a value in brackets: its first line put in form, the others moved along."""
        start, piece = child.start, child.value
        if piece.style in BLOCK_STYLES and "+" in self.lines[piece.start.line][piece.start.column :].split(" ")[0]:
            raise _Unusual
        if column is None:
            column = start.column + 1
        line = self.lines[start.line]
        if piece.is_on_one_line and piece.start.line == start.line and not _is_empty(piece):
            text = flow_text(piece, value, self.lines) if piece.is_flow else scalar_text(piece, self.lines)
            line = _replaced(line, piece, text)
        shift = indent - column
        content = _last_line_of(child)
        written = [" " * indent + line[column:].lstrip().rstrip()]
        for number in range(start.line + 1, content + 1):
            moved = _shifted(self.lines[number], shift)
            written.append(moved if piece.style else moved.rstrip())
        return [*written, *_without_trailing(_tidy(self.lines[content + 1 : stop], indent + STEP))]


def _header(lines: list[str]) -> int:
    """How many of the lines above the first key are about the file rather than about that key."""
    blank = max((number for number, line in enumerate(lines) if not line.strip()), default=-1)
    if blank >= 0 and any(line.strip() for line in lines[:blank]):
        return blank + 1
    return sum(line.startswith(_MODELINE) for line in lines[:1])


def _replaced(line: str, piece: Piece, text: str) -> str:
    """The line with another text for a value. A comment beside it keeps its column, where there is room."""
    before, old, after = (
        line[: piece.start.column],
        line[piece.start.column : piece.end.column],
        line[piece.end.column :],
    )
    if text != old and after.strip():
        comment = after.lstrip()
        after = " " * max(2, len(old) - len(text) + len(after) - len(comment)) + comment
    return before + text + after


def _shifted(line: str, by: int) -> str:
    if not line.strip():
        return line
    return " " * by + line if by >= 0 else line[min(-by, len(line) - len(line.lstrip(" "))) :]


def _tidy(lines: list[str], indent: int) -> list[str]:
    """Comments in one column, no two blank lines in a row."""
    tidied: list[str] = []
    for line in lines:
        text = line.strip()
        if text or (tidied and tidied[-1]) or (not tidied and not text):
            tidied.append(" " * indent + text if text else "")
    return tidied


def _without_blank(lines: list[str]) -> list[str]:
    start = next((number for number, line in enumerate(lines) if line), len(lines))
    return lines[start:]


def _without_trailing(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def _is_empty(piece: Piece) -> bool:
    return piece.kind == "scalar" and piece.start == piece.end


def _last_line_of(child: Child) -> int:
    return child.start.line if _is_empty(child.value) else _last_line(child.value)


def _last_line(piece: Piece) -> int:
    """The last line that holds a part of a value."""
    if piece.is_block and piece.children:
        return _last_line_of(piece.children[-1])
    return piece.end.line


def _require_same(path: Path, old: str, new: str, recipe: Recipe) -> None:
    """Compares the values, the loaded recipe and the comments. Anything else than equality is our bug."""
    plain = [json.dumps(read_yaml(str(path), text.encode())[0].root.plain(), sort_keys=True) for text in (old, new)]
    loaded = parse_recipe(path, new.encode(), {})
    is_equal = all(getattr(loaded, name) == getattr(recipe, name) for name in Recipe.model_fields)
    comments = [Counter(_comments(text)) for text in (old, new)]
    if plain[0] != plain[1] or not is_equal or comments[0] != comments[1]:
        raise RuntimeError(f"formatting {path} would change what it says")


def _comments(text: str) -> Iterator[str]:
    """Whatever looks like a comment, in scalars too: they do not change either."""
    for line in text.split("\n"):
        if found := re.search(r"(?:^|\s)(#.*)", line):
            yield found[1].rstrip()
