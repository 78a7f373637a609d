"""The error catalogue, printed from the error classes."""

from __future__ import annotations

import inspect

from surgery.errors import Errors, SurgeryError, UsageError
from surgery.model.nearest import did_you_mean
from surgery.reporting.table import table


def catalogue() -> dict[str, type[SurgeryError]]:
    """Every kind of error by its code."""
    found: dict[str, type[SurgeryError]] = {}
    waiting = list(SurgeryError.__subclasses__())
    while waiting:
        kind = waiting.pop(0)
        waiting += kind.__subclasses__()
        if kind is not Errors:
            found[kind.code()] = kind
    return dict(sorted(found.items()))


def catalogue_text() -> str:
    """One line for each code."""
    return "\n".join(table((code, entry_meaning(kind).split(". ")[0].rstrip(".")) for code, kind in catalogue().items()))


def entry_text(code: str) -> str:
    """Everything about one code.

    Raises:
        UsageError: when there is no such code.
    """
    kind = catalogue().get(code)
    if kind is None:
        raise UsageError(
            f"no error has the code '{code}'",
            expected="a code as in error[CODE]",
            fix=did_you_mean(code, catalogue()) or "list them with: surgery explain",
        )
    return f"{code} (exit status {kind.exit_status})\n\n{entry_meaning(kind)}"


def entry_meaning(kind: type[SurgeryError]) -> str:
    """What a code means, in a sentence or two."""
    return " ".join((inspect.getdoc(kind) or "").split())
