"""Globs over layer paths: `*` and `?` stay inside one level, `**` crosses `/`; case matters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_GLOB = 500
"""Characters. Each character of a name costs a little for each character of the glob."""

_WILD = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]")


def has_wildcard(text: str) -> bool:
    return _WILD.search(text) is not None


def literal_head(text: str) -> str:
    """What stands before the first wildcard."""
    return _WILD.split(text, maxsplit=1)[0]


class Glob:
    """A compiled glob.

    Runs all ways to match at once, one bit each, so a hostile glob (`*a*a*a*a*b`) costs no more than a plain one.
    """

    def __init__(self, text: str) -> None:
        literals = _WILD.split(text)
        self.head, self._between, self._tail = literals[0], literals[1:-1], literals[-1]
        self._tokens = _tokens(text[len(self.head) :])
        self._end = 1 << len(self._tokens)
        self._loops = _bits(self._tokens, lambda token: token.loops)
        self._takes: dict[str, tuple[int, int]] = {}

    def matches(self, path: str) -> bool:
        if not (path.startswith(self.head) and path.endswith(self._tail) and all(one in path for one in self._between)):
            return False
        states = self._skip(1)
        for character in path[len(self.head) :]:
            step, stay = self._moves(character)
            states = self._skip(((states & step) << 1) | (states & stay))
            if not states:
                return False
        return bool(states & self._end)

    def _moves(self, character: str) -> tuple[int, int]:
        """The tokens that a character completes, and the ones that take it and go on."""
        moves = self._takes.get(character)
        if moves is None:
            step = _bits(self._tokens, lambda token: token.closes(character))
            stay = _bits(self._tokens, lambda token: token.loops and token.takes(character))
            moves = self._takes[character] = (step, stay)
        return moves

    def _skip(self, states: int) -> int:
        """A star matches nothing, too."""
        position = states & self._loops
        while position:
            new = (position << 1) & ~states
            states |= new
            position = new & self._loops
        return states


@dataclass(frozen=True)
class _Token:
    takes: Callable[[str], bool]
    loops: bool = False
    folder: bool = False
    """`**/`: over once it has taken a slash."""

    def closes(self, character: str) -> bool:
        return character == "/" if self.folder else not self.loops and self.takes(character)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    for found in _WILD.finditer(text):
        tokens += [_literal(character) for character in text[position : found.start()]]
        tokens.append(_wild(found.group()))
        position = found.end()
    return tokens + [_literal(character) for character in text[position:]]


def _literal(character: str) -> _Token:
    return _Token(lambda other: other == character)


def _wild(text: str) -> _Token:
    match text:
        case "**/":
            return _Token(lambda _: True, loops=True, folder=True)
        case "**":
            return _Token(lambda _: True, loops=True)
        case "*":
            return _Token(lambda character: character != "/", loops=True)
        case "?":
            return _Token(lambda character: character != "/")
        case _:
            return _set(text[1:-1])


def _set(inside: str) -> _Token:
    """`[a-c]` and `[!a-c]`: one character of the level."""
    negated = inside.startswith("!")
    ranges = re.findall(r"(.)-(.)|(.)", inside.removeprefix("!"), re.DOTALL)

    def takes(character: str) -> bool:
        found = any(low <= character <= high if low else character == one for low, high, one in ranges)
        return character != "/" and found != negated

    return _Token(takes)


def _bits(tokens: list[_Token], holds: Callable[[_Token], bool]) -> int:
    return sum(1 << number for number, token in enumerate(tokens) if holds(token))
