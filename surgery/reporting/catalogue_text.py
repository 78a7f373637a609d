"""The error catalogue, printed from the error classes and from the rules of the scanner."""

from __future__ import annotations

import inspect

from surgery.errors import Errors, SurgeryError, UsageError
from surgery.model.nearest import did_you_mean
from surgery.model.scan import catalogue as scan_rules
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


def findings() -> dict[str, str]:
    """What a scan of a model file can find, by its code, with what it means."""
    return {code: " ".join(meaning.split()) for code, meaning in sorted(scan_rules().items())}


def catalogue_text() -> str:
    """One line for each code: the errors, then what a scan can find."""
    errors = {code: entry_meaning(kind) for code, kind in catalogue().items()}
    listed = [table((code, _sentence(meaning)) for code, meaning in found.items()) for found in (errors, findings())]
    return "\n".join([*listed[0], "", "Found by a scan of a model file:", "", *listed[1]])


def _sentence(meaning: str) -> str:
    return meaning.split(". ")[0].rstrip(".")


def entry_text(code: str) -> str:
    """Everything about one code.

    Raises:
        UsageError: when there is no such code.
    """
    kind, found = catalogue().get(code), findings()
    if code in found:
        return f"{code} (found by a scan; exit status 1)\n\n{found[code]}"
    if kind is None:
        raise UsageError(
            f"no error has the code '{code}'",
            expected="a code as in error[CODE]",
            fix=did_you_mean(code, [*catalogue(), *found]) or "list them with: surgery explain",
        )
    return f"{code} (exit status {kind.exit_status})\n\n{entry_meaning(kind)}"


def entry_meaning(kind: type[SurgeryError]) -> str:
    """What a code means, in a sentence or two."""
    return " ".join((inspect.getdoc(kind) or "").split())
