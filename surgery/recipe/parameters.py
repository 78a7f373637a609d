"""`parameters:` of a recipe, `${name}` where they are used, `--set name=value` on the command line.

A scalar that is `${name}` and nothing else takes the parameter's value with its type; inside longer text it becomes text.
`$${` stands for `${`. The environment is never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import cast

from surgery.errors import (
    InvalidValue,
    KeyNotText,
    LimitExceeded,
    SurgeryError,
    UnknownParameter,
    UnusedParameter,
    UsageError,
    WrongType,
)
from surgery.model.hidden import first_hidden
from surgery.model.nearest import did_you_mean
from surgery.recipe import refusals
from surgery.recipe.characters import LARGEST_FILE, MOST_PROBLEMS
from surgery.recipe.document import Document, Entry, Node, Scalar, Span
from surgery.recipe.reader import NAME
from surgery.recipe.scalars import read_plain, write_plain

_USE = re.compile(r"\$\$\{|\$\{(?P<name>[^{}]*)(?P<end>\}?)")
_NAME = re.compile(r"[A-Za-z_]\w*")

SECTION = "parameters"
MOST_USES = 100
"""In one text."""
MOST_NAMED = 20
"""Parameters that the error about an unknown one lists."""


def parse_overrides(settings: Iterable[str]) -> dict[str, Scalar]:
    """The values of `--set name=value`, read by the rules of a recipe's plain scalars; quotes make text.

    Raises:
        UsageError: when a setting is not `name=value`, or its value is ambiguous.
    """
    return dict(_override(setting) for setting in settings)


def _override(setting: str) -> tuple[str, Scalar]:
    name, equals, text = setting.partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise UsageError(f"--set {setting}: not a setting", expected="name=value", fix="--set epochs=3")
    if first_hidden(text, allowed="\n\t") is not None:
        raise UsageError(
            f"--set {setting}: a character that cannot be seen", expected="characters that show what they are"
        )
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return name, text[1:-1]
    try:
        return name, read_plain(text)
    except SurgeryError as error:
        raise UsageError(f"--set {setting}: {error.what}", expected=error.expected, fix=error.fix) from None


def substitute(
    document: Document, overrides: Mapping[str, Scalar]
) -> tuple[Document, list[SurgeryError], list[SurgeryError]]:
    """The document with its parameters put in.

    Returns:
        The document, what is wrong, and what is worth a warning.
    """
    problems: list[SurgeryError] = []
    declared = _declared(document, problems)
    place = document.location(SECTION, mark="key")
    for name in overrides:
        if name not in declared:
            problems.append(_unknown(f"--set {name}: the recipe has no parameter '{name}'", name, declared).at(place))
    values = {name: overrides.get(name, node.content) for name, node in declared.items()}
    refused = {name for name, node in declared.items() if node.is_refused}
    use = _Use(document, values, refused, problems)
    root = document.root
    if isinstance(root.content, Mapping):
        entries = {
            key: entry if key == SECTION else Entry(entry.key, use.node(entry.node))
            for key, entry in root.content.items()
        }
        root = replace(root, content=entries)
    unused = [_unused(document, name) for name in declared if name not in use.used]
    return replace(document, root=root), problems, unused


def _declared(document: Document, problems: list[SurgeryError]) -> dict[str, Node]:
    """The declared parameters; what is wrong with them goes to the problems, and they are marked as refused."""
    section = document.find(SECTION)
    if section is None or not isinstance(section.content, Mapping):
        return {}
    declared: dict[str, Node] = {}
    for name, entry in section.content.items():
        declared[name] = entry.node
        if not _NAME.fullmatch(name):
            problem = InvalidValue(f"'{name}' cannot be the name of a parameter", expected="letters, digits and '_'")
            problems.append(problem.at(document.location(SECTION, name, mark="key")))
        elif wrong := _wrong_value(name, entry.node.content):
            problems.append(wrong.at(document.location(SECTION, name)))
            declared[name] = replace(entry.node, is_refused=True)
    return declared


def _wrong_value(name: str, value: object) -> SurgeryError | None:
    if isinstance(value, Mapping | tuple):
        scalars = "text, a number, true, false or null"
        return WrongType(f"the parameter '{name}' is a list or a map", expected=scalars)
    if isinstance(value, str) and _USE.search(value):
        return InvalidValue(f"the parameter '{name}' uses another one", expected="a value without ${ }")
    return None


@dataclass
class _Use:
    """One pass over the values of a document."""

    document: Document
    values: Mapping[str, object]
    refused: Collection[str]
    problems: list[SurgeryError]
    used: set[str] = field(default_factory=set)
    room: int = LARGEST_FILE
    """How many characters parameters may still put into longer texts: a long one that is used often fills any memory."""

    def node(self, node: Node) -> Node:
        match node.content:
            case str() as text if "${" in text:
                return self._text(node, text)
            case Mapping() as entries:
                good = {key: entry for key, entry in entries.items() if self._is_good_key(key, entry)}
                changed = {
                    key: Entry(entry.key, self._named(key, self.node(entry.node))) for key, entry in good.items()
                }
                return replace(node, content=changed)
            case tuple() as items:
                return replace(node, content=tuple(self.node(item) for item in items))
        return node

    def _named(self, key: str, node: Node) -> Node:
        """A value; a name that parameters are put into is looked at once more."""
        text = node.content
        if key == NAME and node.parameters and isinstance(text, str) and (place := first_hidden(text)) is not None:
            self.problems.append(refusals.character(text[place]).at(self.document.at(node.span)))
            return replace(node, is_refused=True)
        return node

    def _is_good_key(self, key: str, entry: Entry) -> bool:
        if "${" in key:
            problem = KeyNotText("a parameter cannot stand in a key", expected="text without ${ }", fix="write it out")
            self.problems.append(problem.at(self.document.at(entry.key)))
        return "${" not in key

    def _text(self, node: Node, text: str) -> Node:
        if len(self.problems) >= MOST_PROBLEMS:
            return replace(node, is_refused=True)
        found = list(islice((use for use in _USE.finditer(text) if use["name"] is not None), MOST_USES + 1))
        if len(found) > MOST_USES:
            return self._too_large(node, f"the text uses more than {MOST_USES} parameters")
        names = tuple(name for use in found if (name := self._name(node, use)) is not None)
        if len(names) != len(found) or any(name in self.refused for name in names):
            return replace(node, is_refused=True)
        if len(found) == 1 and found[0][0] == text:
            return replace(node, content=self._value(names[0]), parameters=names)
        texts = {name: write_plain(self._value(name)) for name in set(names)}
        self.room -= sum(len(texts[name]) for name in names)
        if self.room < 0:
            return self._too_large(node, f"parameters put more than {LARGEST_FILE} characters into the recipe")
        content = _USE.sub(lambda use: texts[use["name"]] if use["end"] else "${", text)
        return replace(node, content=content, parameters=names)

    def _too_large(self, node: Node, what: str) -> Node:
        problem = LimitExceeded(what, expected="a recipe that a person can review")
        self.problems.append(problem.at(self.document.at(node.span)))
        return replace(node, is_refused=True)

    def _value(self, name: str) -> Scalar:
        return cast(Scalar, self.values[name])

    def _name(self, node: Node, use: re.Match[str]) -> str | None:
        """The parameter of one use; None, and a problem, when there is no such parameter."""
        name = use["name"]
        place = self.document.at(self._span(node, use[0]))
        if not use["end"] or not _NAME.fullmatch(name):
            problem: SurgeryError = InvalidValue(
                f"{use[0]} is not a parameter", expected="${name}", fix="write $${ where ${ itself is meant"
            )
        elif name not in self.values:
            problem = _unknown(f"there is no parameter '{name}'", name, self.values)
        else:
            self.used.add(name)
            return name
        self.problems.append(problem.at(place))
        return None

    def _span(self, node: Node, use: str) -> Span:
        """Where on the line of its value a use stands; the value, when it is not on that line."""
        line = self.document.lines[node.span.line - 1] if node.span.line <= len(self.document.lines) else ""
        column = line.find(use, node.span.column - 1)
        return node.span if column < 0 else Span(node.span.line, column + 1, len(use))


def _unknown(what: str, name: str, declared: Collection[str]) -> UnknownParameter:
    known = ", ".join(islice(declared, MOST_NAMED)) or "none is declared"
    known += ", ..." if len(declared) > MOST_NAMED else ""
    fix = did_you_mean(name, declared) or f"declare it: parameters: {{{name or 'name'}: ...}}"
    return UnknownParameter(what, expected=f"one of the recipe's parameters: {known}", fix=fix)


def _unused(document: Document, name: str) -> SurgeryError:
    return UnusedParameter(
        f"the parameter '{name}' is used nowhere", expected=f"${{{name}}} somewhere", fix="use it, or take it out"
    ).at(document.location(SECTION, name, mark="key"))
