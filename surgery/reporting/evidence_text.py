"""What was measured of a result before it was written, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from surgery.errors import printable


def evidence_lines(evidence: Mapping[str, Any], shown: Callable[[str], str] = printable) -> Iterator[str]:
    """A line for each claim, and one for each tensor that was compared.

    Args:
        evidence: As `run.json` holds it.
        shown: Makes text of a stranger safe for where it goes.
    """
    for claim in evidence["claims"]:
        yield f"{shown(claim['op'])} (line {claim['line']}) claims: {shown(claim['claim'])}."
    if evidence["not_measured"]:
        yield f"Not measured: {shown(evidence['not_measured'])}."
    for check in evidence["checks"]:
        there = "" if check["source"] == check["layer"] else f", {shown(check['source'])} there"
        how = "bit for bit" if check["difference"] == 0 else f"within {check['difference']:.0e} of the largest value"
        what = "Output" if check["is_output"] else "Activation"
        yield f"{what} {shown(check['layer'])} is that of the source{there}, {how}, on a random batch."
