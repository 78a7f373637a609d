"""The table of the docs: what became of files of Keras 2, class by class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.keras2.cases import Case
from tests.keras2.sweep import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "old-files-table.md"
HEAD = """# Files of Keras 2, layer by layer

Printed by `make keras2`: layers and small networks with random weights, saved by tf_keras 2.21 as `.h5` and `.keras`, read and
written by surgery, computed by Keras 3.15 and compared. *Equal* means that no output differs by more than 1e-6 of the largest one
(or of 1, where that is smaller); the largest difference stands beside it. [Old files](old-files.md) says what is done to them.

| layer | cases | equal | largest difference | refused |
|---|---|---|---|---|
"""


def page(cases: Iterable[Case], outcomes: Mapping[tuple[str, str], Outcome]) -> str:
    """The whole page."""
    rows: dict[str, list[tuple[Case, Outcome]]] = {}
    for case in cases:
        rows.setdefault(case.layer, []).extend(
            (case, found) for (name, _), found in outcomes.items() if name == case.name
        )
    lines = [_line(layer, found) for layer, found in sorted(rows.items())]
    total = [found for each in rows.values() for _, found in each]
    equal = sum(found.kind == "equal" for found in total)
    lines.append(f"| **all** | {len(total)} | {equal} | | {len(total) - equal} |")
    return HEAD + "\n".join(lines) + "\n\nOther tolerances, and why:\n\n" + "\n".join(tolerances(cases)) + "\n"


def tolerances(cases: Iterable[Case]) -> Iterator[str]:
    """The cases that may differ by more, by their reasons."""
    names: dict[str, list[str]] = {}
    for case in cases:
        if case.why:
            names.setdefault(f"{case.tolerance:g}, {case.why}", []).append(case.name)
    for reason, found in names.items():
        yield f"- {reason}: {', '.join(found)}"


def _line(layer: str, found: list[tuple[Case, Outcome]]) -> str:
    equal = [outcome.difference for _, outcome in found if outcome.kind == "equal"]
    # One digit, rounded up: the last bits differ from CPU to CPU.
    largest = next(
        bound for bound in ("0", "1e-8", "1e-7", "1e-6", "1e-5", "1e-4") if max(equal, default=0) <= float(bound)
    )
    refused = dict.fromkeys(case.name for case, outcome in found if outcome.kind == "refused")
    return f"| {layer} | {len(found)} | {len(equal)} | {largest if equal else ''} | {', '.join(refused)} |"
