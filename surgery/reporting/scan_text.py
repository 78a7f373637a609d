"""Verdicts of scans as plain lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from surgery.errors import printable
from surgery.model.scan import Verdict


def scan_text(verdicts: Iterable[Verdict]) -> str:
    """One line for each file, and below it one for each finding: the code, the place, what was found."""
    lines = []
    for verdict in verdicts:
        lines.append(f"{printable(verdict.path)}: {verdict.status}")
        for finding in verdict.findings:
            where = ": ".join(part for part in (finding.member, finding.place) if part)
            lines.append(f"  error[{finding.code}]: {f'{where}: ' if where else ''}{finding.message}")
    return "\n".join(lines) + "\n"


def scan_document(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """One JSON document for all files of a command."""
    files = [verdict.as_json() for verdict in verdicts]
    return {"format": 1, "accepted": all(file["verdict"] == "accepted" for file in files), "files": files}
