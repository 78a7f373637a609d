"""Errors and warnings as SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from surgery.errors import SurgeryError, flatten, printable
from surgery.reporting.catalogue_text import entry_meaning
from surgery.reporting.sarif import sarif_document, uri


def errors_sarif(errors: Iterable[SurgeryError], version: str) -> dict[str, Any]:
    """One run of surgery: the codes that occur, and a result for each error.

    Args:
        errors: What was found.
        version: Of surgery.
    """
    found = [error for one in errors for error in flatten(one)]
    kinds = {error.code(): type(error) for error in found}
    codes = sorted(kinds)
    rules = [{"id": code, "fullDescription": {"text": entry_meaning(kinds[code])}} for code in codes]
    driver = {"name": "surgery", "version": version, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(error, codes.index(error.code())) for error in found],
    }
    return sarif_document(run)


def _result(error: SurgeryError, rule: int) -> dict[str, Any]:
    sentences = [error.what, *([f"Expected: {error.expected}"] if error.expected else [])]
    sentences += [f"Fix: {error.fix}"] if error.fix else []
    result: dict[str, Any] = {
        "ruleId": error.code(),
        "ruleIndex": rule,
        "level": error.severity,
        "message": {"text": ". ".join(printable(sentence) for sentence in sentences)},
    }
    if place := error.location:
        region = {
            "startLine": place.line,
            "startColumn": place.column,
            "endColumn": place.column + max(1, place.width),
        }
        physical = {"artifactLocation": {"uri": uri(place.path)}, "region": region}
        result["locations"] = [{"physicalLocation": physical}]
    return result
