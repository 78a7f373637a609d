"""The end of a run for a terminal: before and after, what was written, where to look next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.errors import printable
from surgery.reporting.run_words import epochs, metric, seconds
from surgery.reporting.table import count, table

Document = Mapping[str, Any]


def run_text(document: Document) -> str:
    """What a person reads after a run that is done.

    Args:
        document: What `run.json` holds.
    """
    lines = [*_stages(document), *_evaluation(document), *_written(document)]
    return "\n".join(lines)


def _stages(document: Document) -> list[str]:
    rows = [
        (
            stage["name"],
            epochs(len(stage["epochs"])),
            f"{count(stage['trainable_parameters'])} trainable parameters",
            seconds(stage["seconds"]),
            stage.get("frozen_prefix") or "",
        )
        for stage in document["stages"]
    ]
    return ["Trained", *table(rows, indent="  "), ""] if rows else []


def _evaluation(document: Document) -> list[str]:
    rows = [
        (one["evaluation"], one["metric"], metric(one["before"]) or "-", metric(one["after"]), _allowed(one))
        for one in document["evaluation"]
    ]
    if not rows:
        return []
    head = ("", "metric", "before", "after", "")
    return ["Before and after", *table([head, *rows], indent="  ", right=(2, 3)), ""]


def _allowed(one: Mapping[str, Any]) -> str:
    if one["allowed"] is None:
        return ""
    return f"drop {metric(one['drop'])}, {metric(one['allowed'])} allowed"


def _written(document: Document) -> list[str]:
    outputs = document["outputs"]
    rows = [(name, printable(outputs[name])) for name in ("model", "report", "html", "run") if outputs.get(name)]
    return ["Written", *table(rows, indent="  ")]
