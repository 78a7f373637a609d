"""The end of a run for a terminal: before and after, what was written, where to look next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.errors import printable
from surgery.reporting.forgetting import forgetting_table
from surgery.reporting.run_words import computed_once, epochs, precision_note, seconds, unmoved_note
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
            "done before" if stage.get("reused") else computed_once(stage),
        )
        for stage in document["stages"]
    ]
    notes = [
        f"  {printable(stage['name'])}: {printable(told)}"
        for stage in document["stages"]
        for told in (precision_note(stage), unmoved_note(stage))
        if told
    ]
    return ["Trained", *table(rows, indent="  "), *notes, ""] if rows else []


def _evaluation(document: Document) -> list[str]:
    head, rows = forgetting_table(document)
    if not rows:
        return []
    spared = [f"  {printable(sentence)}" for sentence in document.get("spared", ())]
    return ["Before and after", *table([head, *rows], indent="  ", right=range(2, len(head) - 1)), *spared, ""]


def _written(document: Document) -> list[str]:
    outputs = document["outputs"]
    rows = [(name, printable(outputs[name])) for name in ("model", "report", "html", "run") if outputs.get(name)]
    return ["Written", *table(rows, indent="  ")]
