"""Errors and warnings as one JSON document. The types are its published JSON Schema, too."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import TypedDict

from surgery.errors import SurgeryError, flatten, printable
from surgery.model.documented import documented

FORMAT = 1


@documented
class ErrorRow(TypedDict):
    """One error or warning."""

    code: str
    """Its code, as in `error[CODE]`. `surgery explain CODE` says more."""
    severity: str
    """error or warning."""
    message: str
    """What is wrong, in a sentence."""
    expected: str | None
    """What would have been right."""
    fix: str | None
    """Something to type."""
    path: str | None
    """The file; null where there is none."""
    line: int | None
    """From 1."""
    column: int | None
    """From 1, in characters."""
    width: int | None
    """How many characters are at fault."""


@documented
class ErrorsDocument(TypedDict):
    """What `--output-format json` prints."""

    surgery: int
    """Version of this format."""
    errors: list[ErrorRow]
    """Errors and warnings, in the order of their places."""


def errors_document(errors: Iterable[SurgeryError]) -> ErrorsDocument:
    """The document of `--output-format json`."""
    return {"surgery": FORMAT, "errors": [_row(error) for one in errors for error in flatten(one)]}


def _row(error: SurgeryError) -> ErrorRow:
    place = error.location
    return {
        "code": error.code(),
        "severity": error.severity,
        "message": printable(error.what),
        "expected": error.expected and printable(error.expected),
        "fix": error.fix and printable(error.fix),
        "path": place.path if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "width": place.width if place else None,
    }
