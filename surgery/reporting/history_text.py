"""The chain of surgeries of a model for a person."""

from __future__ import annotations

from collections.abc import Iterator

from surgery.errors import printable
from surgery.planning.history import HistoryDocument, SurgeryDocument
from surgery.reporting.table import change, table

MOST_NAMES = 4


def history_text(history: HistoryDocument) -> str:
    """Every surgery with its steps, the first one first."""
    if not history["surgeries"]:
        return "No history: no surgery made this model, or Keras has saved it again since."
    lines: list[str] = []
    for number, surgery in enumerate(history["surgeries"], 1):
        lines += [*_surgery(number, surgery), ""]
    return "\n".join([*lines, "The recipes and plans in full: --json"])


def _surgery(number: int, surgery: SurgeryDocument) -> Iterator[str]:
    plan = surgery["plan"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(surgery["versions"].items()))
    yield f"{number}. {printable(surgery['recipe']['name'])}, from {printable(plan['source']['model'])}"
    for step in plan["steps"]:
        yield f"     {printable(step['op'])}: {_names(step['layers'])}"
    for stage in plan["stages"] if surgery["trained"] else []:
        yield f"     trained: {printable(stage['name'])}"
    rows = [("parameters:", change(plan["parameters"]["before"], plan["parameters"]["after"]))]
    yield from table([*rows, ("with:", versions)], indent="     ")


def _names(layers: list[str]) -> str:
    more = f" and {len(layers) - MOST_NAMES} more" if len(layers) > MOST_NAMES else ""
    return printable(", ".join(layers[:MOST_NAMES]) + more)
