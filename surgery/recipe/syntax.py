"""The events of a YAML text, and what its syntax errors mean in the words of a recipe."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from surgery.errors import SurgeryError, SyntaxInvalid
from surgery.recipe import refusals
from surgery.recipe.document import Span

FAILURES = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, RecursionError)
"""What ruamel lets escape, on hostile input, besides its own errors: `chr` of an impossible escape, for one."""

_QUOTE = "quote the text"

# What ruamel says (a part of it); in words; what was expected; the fix; whether the place to show is where it began.
_MEANINGS: tuple[tuple[str, str, str, str, bool], ...] = (
    (
        "mapping values are not allowed",
        "a ': ' where no key can be",
        "one key: value on a line",
        "quote text that holds ': ', or check the indentation of this line and the one before",
        False,
    ),
    ("'\\t' that cannot start", "a tab as indentation", "spaces", "indent with spaces", False),
    ("that cannot start any token", "plain text cannot begin with this character", "text in quotes", _QUOTE, False),
    ("while scanning a quoted scalar", "quoted text that is not closed", "a closing quote", "close the quote", True),
    ("unknown escape character", "an escape that YAML does not have", "text", "use single quotes, or \\\\", False),
    ("escape sequence", "an escape that is not complete", "hexadecimal digits", "use single quotes, or \\\\", False),
    ("found '<stream end>'", "a map in { } or a list in [ ] that is not closed", "'}' or ']'", "close it", False),
    ("expected the node content", "a value is missing", "a value", "write it, or null", False),
    ("expected ',' or '}'", "a map in { } that is not closed, or a comma is missing", "',' or '}'", "", False),
    ("expected ',' or ']'", "a list in [ ] that is not closed, or a comma is missing", "',' or ']'", "", False),
    (
        "expected <block end>",
        "a line that does not belong to what is around it",
        "keys of one map, or items of one list, in one column",
        "check the indentation of this line and the one before",
        False,
    ),
    ("text behind a value", "text behind the end of a value", "the end of the line", "quote the whole text", False),
    ("could not find expected ':'", "a key without ':'", "key: value", "write a ':' and a space behind the key", True),
    ("while scanning an alias", "plain text cannot begin with '*'", "text in quotes", _QUOTE, True),
    ("while scanning an anchor", "plain text cannot begin with '&'", "text in quotes", _QUOTE, True),
    (
        "while scanning a block scalar",
        "text after | or > on the same line",
        "the text on the next line",
        "begin a new line",
        False,
    ),
)


def events(text: str) -> Iterator[Any]:
    """The parser events of a text, one by one.

    Raises:
        SyntaxFailure: when the text is not YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    last = None
    try:
        for event in YAML(typ="safe", pure=True).parse(io.StringIO(text)):
            last = event.end_mark
            yield event
    except YAMLError as error:
        raise _failure(error, text) from None
    except FAILURES as error:
        what = f"this is not YAML ({type(error).__name__})"
        raise SyntaxFailure(_span(last, text.split("\n")), SyntaxInvalid(what, expected="YAML 1.2")) from None


class SyntaxFailure(Exception):
    """Where the parser stopped, and the error that says why."""

    def __init__(self, span: Span, problem: SurgeryError) -> None:
        super().__init__(problem.what)
        self.span = span
        self.problem = problem


def _failure(error: Any, text: str) -> SyntaxFailure:
    problem, context = getattr(error, "problem", None) or "", getattr(error, "context", None) or ""
    here, began = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    lines = text.split("\n")
    said = f"{context} {problem}"
    if "undefined tag handle" in said:
        return SyntaxFailure(_span(here, lines), refusals.tag())
    if "expected <block end>" in said and here and lines[here.line][: here.column].strip():
        said = "text behind a value"
    for part, what, expected, fix, shows_start in _MEANINGS:
        if part in said:
            mark = began if began and (shows_start or "stream end" in problem) else here
            return SyntaxFailure(_span(mark, lines), SyntaxInvalid(what, expected=expected, fix=_fix(fix, here, lines)))
    what = f"this is not YAML: {problem}" if problem else "this is not YAML"
    return SyntaxFailure(_span(here or began, lines), SyntaxInvalid(what, expected="YAML 1.2"))


def _fix(fix: str, mark: Any, lines: list[str]) -> str | None:
    if not fix and mark and mark.line < len(lines) and "${" in lines[mark.line]:
        return 'inside { } and [ ] a parameter is quoted: "${name}"'
    return fix or "close it, or write a comma between the items"


def _span(mark: Any, lines: list[str]) -> Span:
    """The place of a mark; the end of the last line that holds something, where the mark is behind it."""
    if mark is None:
        return Span(1, 1, 1)
    line = min(mark.line, len(lines) - 1)
    if line == mark.line and (lines[line].strip() or not line):
        return Span(line + 1, mark.column + 1, 1)
    while line > 0 and not lines[line].strip():
        line -= 1
    return Span(line + 1, len(lines[line].rstrip()) + 1, 1)
