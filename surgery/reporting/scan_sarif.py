"""Verdicts of scans as SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from surgery.model.scan import Finding, Status, Verdict, catalogue
from surgery.reporting.sarif import sarif_document, uri


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
    return sarif_document({"tool": {"driver": driver}, "results": results})


_LEVELS = {Status.REFUSED: "error", Status.UNCHECKED: "warning", Status.NOTED: "note"}


def _result(verdict: Verdict, finding: Finding) -> dict[str, Any]:
    where = ": ".join(part for part in (finding.member, finding.place) if part)
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": uri(verdict.path)}}}
    if where:
        location["logicalLocations"] = [{"fullyQualifiedName": where}]
    return {
        "ruleId": finding.code,
        "level": _LEVELS[finding.status],
        "message": {"text": f"{where}: {finding.message}" if where else finding.message},
        "locations": [location],
    }
