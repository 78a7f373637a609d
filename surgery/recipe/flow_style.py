"""The canonical form of what is written on one line: `{key: value}`, `[one, two]`, double quotes."""

from __future__ import annotations

from typing import Any

from surgery.recipe.key_order import below, order_in
from surgery.recipe.outline import Piece


def flow_text(piece: Piece, value: Any, lines: list[str]) -> str:
    """A map or a list in brackets: keys in order, a blank after each colon and comma, none inside the brackets."""
    written = []
    for index, child in enumerate(piece.children):
        inside = below(value, child.name, index)
        text = flow_text(child.value, inside, lines) if child.value.is_flow else scalar_text(child.value, lines)
        if child.key is not None:
            if child.value.start == child.value.end or _source(child.key, lines)[:1] == "?":
                return _source(piece, lines)
            text = f"{_source(child.key, lines)}: {text}"
        elif child.value.kind == "map" and not _source(child.value, lines).startswith("{"):
            return _source(piece, lines)
        written.append((order_in(value, child.name), text))
    inner = ", ".join(text for _, text in sorted(written, key=lambda entry: entry[0]))
    return f"{{{inner}}}" if piece.kind == "map" else f"[{inner}]"


def scalar_text(piece: Piece, lines: list[str]) -> str:
    """A scalar as it is written; in double quotes rather than single ones, where both mean the same."""
    text = _source(piece, lines)
    if piece.style == "'" and not set(text[1:-1]) & set("\"\\'"):
        return f'"{text[1:-1]}"'
    return text


def _source(piece: Piece, lines: list[str]) -> str:
    return lines[piece.start.line][piece.start.column : piece.end.column]
