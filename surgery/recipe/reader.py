"""YAML text to a tree of values with positions, through the events of ruamel's parser.

Nothing is constructed by ruamel: its loaders take tags, aliases or merge keys whatever they are told. From its events only
maps, lists and scalars are made, within limits, and what a recipe may not hold is reported with its place. The reading goes
on behind an error, so that one pass finds all of them.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from surgery.errors import LimitExceeded, SurgeryError, SyntaxInvalid, raise_all
from surgery.model.hidden import first_hidden
from surgery.recipe import refusals
from surgery.recipe.characters import MOST_PROBLEMS, decode
from surgery.recipe.document import Document, Entry, Node, Span, locate
from surgery.recipe.scalars import read_plain
from surgery.recipe.syntax import SyntaxFailure, events

DEEPEST = 32
MOST_NODES = 20_000
NAME = "name"
"""What has this key is a name, of a layer for one: it stands in one line of a log. Prose may have several."""


def read_yaml(path: str, data: bytes) -> tuple[Document, list[SurgeryError]]:
    """Reads a file.

    Returns:
        The document, and what is wrong with it. A node that was refused says so.

    Raises:
        SurgeryError: when there is nothing to read on with: the bytes, the syntax, the limits. It holds all problems.
    """
    lines = decode(path, data)
    reading = _Reading(path, lines)
    try:
        root = reading.document()
    except _Stop:
        raise_all(reading.problems)
        raise
    return Document(path, lines, root), reading.problems


class _Stop(Exception):
    """The reading cannot go on; the problem is noted."""


class _Reading:
    """One pass over the events of a file."""

    def __init__(self, path: str, lines: tuple[str, ...]) -> None:
        self.path = path
        self.lines = lines
        self.problems: list[SurgeryError] = []
        self.nodes = 0

    def document(self) -> Node:
        self.events = events(self._without_directives())
        root = None
        while (event := self._next()) is not None:
            if isinstance(event, DocumentStartEvent) and root is not None:
                self._stop(_span(event, 3), refusals.several_documents())
            if isinstance(event, NodeEvent):
                root = self._node(event, 1)
        if root is None:
            expected = "surgery: 1, a name, a model, operations"
            self._stop(Span(1, 1, 1), SyntaxInvalid("the recipe is empty", expected=expected))
        return root

    def _next(self) -> Any:
        try:
            return next(self.events, None)
        except SyntaxFailure as failure:
            self._stop(failure.span, failure.problem)

    def _refuse(self, span: Span, problem: SurgeryError) -> None:
        self.problems.append(problem.at(locate(self.path, self.lines, span)))
        if len(self.problems) >= MOST_PROBLEMS:
            raise _Stop

    def _stop(self, span: Span, problem: SurgeryError) -> NoReturn:
        self._refuse(span, problem)
        raise _Stop

    def _without_directives(self) -> str:
        """The text, the lines before the document that begin with % left empty: the parser would obey them."""
        kept = list(self.lines)
        for index, line in enumerate(kept):
            if line.startswith("%"):
                self._refuse(Span(index + 1, 1, len(line.rstrip())), refusals.directive())
                kept[index] = ""
            elif line.strip() and not line.lstrip().startswith("#"):
                break
        return "\n".join(kept)

    def _node(self, event: Any, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self._stop(_span(event, 1), _limit(f"the recipe has more than {MOST_NODES} values"))
        match event:
            case AliasEvent():
                return self._alias(event)
            case ScalarEvent():
                return self._scalar(event, self._has_properties(event))
        if depth > DEEPEST:
            self._stop(_span(event, 1), _limit(f"maps and lists are nested deeper than {DEEPEST}"))
        read = self._mapping if isinstance(event, MappingStartEvent) else self._sequence
        return read(event, depth, self._has_properties(event))

    def _has_properties(self, event: Any) -> bool:
        """Refuses a tag and an anchor; True when there was one."""
        if event.ctag is not None:
            self._refuse(self._word(event, "!"), refusals.tag())
        if event.anchor is not None:
            self._refuse(self._word(event, "&"), refusals.anchor(event.anchor))
        return event.ctag is not None or event.anchor is not None

    def _word(self, event: Any, first: str) -> Span:
        """The tag or anchor among the words that a node begins with."""
        line, column = event.start_mark.line, event.start_mark.column
        start = max(self.lines[line].find(first, column), column)
        return Span(line + 1, start + 1, len(self.lines[line][start:].split(" ")[0]))

    def _alias(self, event: Any) -> Node:
        span = _span(event, len(event.anchor) + 1)
        self._refuse(span, refusals.alias(event.anchor))
        return Node(span, is_refused=True)

    def _scalar(self, event: Any, is_refused: bool) -> Node:
        span = _span(event, 1) if event.style in ("|", ">") else self._extent(event, event)
        is_refused = self._has_hidden(span, event.value) or is_refused
        if event.style is not None:
            return Node(span, event.value, is_refused)
        try:
            return Node(span, read_plain(event.value), is_refused)
        except SurgeryError as problem:
            self._refuse(span, problem)
            return Node(span, event.value, is_refused=True)

    def _has_hidden(self, span: Span, text: str) -> bool:
        """Refuses a character that no name may have: at its place, or at that of the text where it came in through an escape."""
        place = first_hidden(text, allowed="\n\t")
        if place is not None:
            column = self.lines[span.line - 1].find(text[place], span.column - 1)
            where = span if column < 0 else Span(span.line, column + 1, 1)
            self._refuse(where, refusals.character(text[place]))
        return place is not None

    def _sequence(self, event: Any, depth: int, is_refused: bool) -> Node:
        items: list[Node] = []
        while not isinstance(item := self._next(), SequenceEndEvent):
            items.append(self._node(item, depth + 1))
        span = self._extent(event, item) if event.flow_style else _span(event, 1)
        return Node(span, tuple(items), is_refused)

    def _mapping(self, event: Any, depth: int, is_refused: bool) -> Node:
        entries: dict[str, Entry] = {}
        span = _span(event, 1)
        while not isinstance(first := self._next(), MappingEndEvent):
            key = self._node(first, depth + 1)
            value = self._node(self._next(), depth + 1)
            if not (entries or event.flow_style):
                span = key.span
            if self._is_good_key(first, key, entries):
                if key.content == NAME and isinstance(value.content, str) and not set(value.content).isdisjoint("\n\t"):
                    self._refuse(value.span, refusals.character("\n" if "\n" in value.content else "\t"))
                    value = Node(value.span, value.content, is_refused=True)
                entries[str(key.content)] = Entry(key.span, value)
        if event.flow_style:
            span = self._extent(event, first)
        return Node(span, entries, is_refused)

    def _is_good_key(self, event: Any, key: Node, entries: dict[str, Entry]) -> bool:
        if key.is_refused:
            return False
        if not isinstance(key.content, str):
            self._refuse(key.span, refusals.key_not_text(key))
        elif key.content == "<<" and event.style is None:
            self._refuse(key.span, refusals.merge_key())
        elif key.content in entries:
            self._refuse(key.span, refusals.duplicate_key(key.content, entries[key.content].key))
        else:
            return True
        return False

    def _extent(self, first: Any, last: Any) -> Span:
        """From where one event begins to where another ends, or to the end of the line."""
        start, end = first.start_mark, last.end_mark
        if start.line == end.line:
            return _span(first, end.column - start.column)
        return _span(first, max(1, len(self.lines[start.line].rstrip()) - start.column))


def _span(event: Any, width: int) -> Span:
    return Span(event.start_mark.line + 1, event.start_mark.column + 1, width)


def _limit(what: str) -> LimitExceeded:
    return LimitExceeded(what, expected="a recipe that a person can review")
