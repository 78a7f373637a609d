"""What a selector matches, and why, for a terminal."""

from __future__ import annotations

from surgery.errors import printable
from surgery.model.select.document import SelectDocument, WhyDocument
from surgery.reporting.table import count, table


def select_text(document: SelectDocument) -> str:
    """A line for each layer, and how many there are."""
    layers = document["layers"]
    rows = [
        (row["path"], row["class_name"], count(row["parameters"]), "" if row["trainable"] else "frozen")
        for row in layers
    ]
    said = f"{count(len(layers))} {'layer matches' if len(layers) == 1 else 'layers match'} {document['selector']}"
    return "\n".join([*table(rows, right=(2,)), printable(said)])


def why_text(document: WhyDocument) -> str:
    """The verdict, then a line for each part of the selector, the inner ones further in."""
    verdict = "matches" if document["matches"] else "does not match"
    rows = [
        (
            "yes" if part["matches"] else "no",
            "  " * sum(isinstance(key, str) for key in part["at"]) + part["selector"],
            part["reason"],
        )
        for part in document["parts"]
    ]
    return "\n".join([printable(f"{document['path']} {verdict}"), *table(rows, indent="  ")])
