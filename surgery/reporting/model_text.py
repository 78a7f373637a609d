"""A model as a table: what `surgery inspect` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from surgery.reporting.call_text import called_text
from surgery.reporting.table import count, shape, table

HEAD = ("index", "path", "class", "output shape", "parameters", "trainable", "inputs")


def model_text(listing: Mapping[str, Any]) -> str:
    """The document of `surgery inspect --json` for a person."""
    lines = [f"{listing['name']} ({listing['class_name']}), {len(listing['layers'])} layers", ""]
    lines += table([HEAD, *_rows(listing["layers"])], right=(0, 4))
    lines += ["", f"parameters: {count(listing['parameters'])}, trainable: {count(listing['trainable_parameters'])}"]
    for word in ("inputs", "outputs"):
        lines.append(f"{word}: " + ", ".join(f"{t['layer']} {shape(t['shape'])}" for t in listing[word]))
    return "\n".join(lines)


def _rows(layers: list[dict[str, Any]], depth: int = 0) -> Iterator[tuple[str, ...]]:
    for row in layers:
        yield (
            str(row["index"]) if not depth else "",
            "  " * depth + row["path"],
            row["class_name"],
            shape(row["output_shape"]),
            count(row["parameters"]),
            "yes" if row["trainable"] else "no",
            ", ".join(row["inbound"]) + called_text(row.get("calls", ())),
        )
        yield from _rows(row.get("layers", []), depth + 1)
