"""Verdicts of scans as SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from surgery.model.scan import Finding, Status, Verdict, catalogue

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def scan_sarif(verdicts: Iterable[Verdict], version: str) -> dict[str, Any]:
    """One run of the scanner: the rules that fired, and a result for each finding.

    Args:
        verdicts: What the scans said.
        version: Of surgery.
    """
    results = [_result(verdict, finding) for verdict in verdicts for finding in verdict.findings]
    fired = sorted({result["ruleId"] for result in results})
    explained = catalogue()
    rules = [{"id": code, "fullDescription": {"text": " ".join(explained[code].split())}} for code in fired]
    for result in results:
        result["ruleIndex"] = fired.index(result["ruleId"])
    driver = {"name": "surgery scan", "version": version, "rules": rules}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(verdict: Verdict, finding: Finding) -> dict[str, Any]:
    where = ": ".join(part for part in (finding.member, finding.place) if part)
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": _uri(verdict.path)}}}
    if where:
        location["logicalLocations"] = [{"fullyQualifiedName": where}]
    return {
        "ruleId": finding.code,
        "level": "error" if finding.status is Status.REFUSED else "warning",
        "message": {"text": f"{where}: {finding.message}" if where else finding.message},
        "locations": [location],
    }


def _uri(path: str) -> str:
    """Relative paths stay relative, so that a service finds them in the repository."""
    return Path(path).as_uri() if Path(path).is_absolute() else quote(Path(path).as_posix())
