"""What a run kept of what the source model knew: stage by stage, and under which guards. Cells are plain text, not escaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.reporting.run_words import metric

Document = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]
"""The head, and the rows."""


def forgetting_table(document: Document) -> Table:
    """A row for each metric of each evaluation: on the source model, after every stage, and what may be lost.

    Args:
        document: What `run.json` holds.
    """
    between = [stage for stage in document["stages"][:-1] if stage.get("evaluation")]
    head = ["evaluation", "metric", "before", *(f"after {stage['name']}" for stage in between), "after", "drop"]
    rows = [
        [
            one["evaluation"],
            one["metric"],
            metric(one["before"]) or "-",
            *(metric(_value(stage, one)) or "-" for stage in between),
            metric(one["after"]),
            metric(one["drop"]) or "-",
            "-" if one["allowed"] is None else metric(one["allowed"]),
            "failed" if one["failed"] else "",
        ]
        for one in document["evaluation"]
    ]
    return [*head, "allowed drop", ""], rows


def guard_table(document: Document) -> Table:
    """A row for each guard: how strong it is, what it does, and what it adds to the loss when each stage is over.

    Args:
        document: What `run.json` holds.
    """
    guards, stages = document["plan"].get("guards", []), document["stages"]
    head = ["guard", "setting", "what it does", *(f"loss after {stage['name']}" for stage in stages)]
    rows = [
        [
            f"{guard['guard']} (line {guard['line']})",
            guard["setting"],
            "; ".join(guard["does"]),
            *(metric(_loss(stage, number)) or "-" for stage in stages),
        ]
        for number, guard in enumerate(guards)
    ]
    return head, rows


def _value(stage: Mapping[str, Any], one: Mapping[str, Any]) -> float | None:
    found = (
        value["value"]
        for value in stage["evaluation"]
        if (value["evaluation"], value["metric"]) == (one["evaluation"], one["metric"])
    )
    return next(found, None)


def _loss(stage: Mapping[str, Any], number: int) -> float | None:
    return next((guard["loss"] for guard in stage.get("guards", []) if guard["number"] == number), None)
