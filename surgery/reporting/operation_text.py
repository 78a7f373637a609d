"""The operations for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from surgery.operations.description import Description, FieldText
from surgery.reporting.table import table

WIDTH = 100


def operations_text(operations: Sequence[Description]) -> str:
    """One line for each operation."""
    lines = table((entry.name, entry.summary) for entry in operations)
    return "\n".join([*lines, "", "surgery ops NAME shows the fields and an example."])


def operation_text(entry: Description) -> str:
    """Everything about one operation."""
    lines = [f"{entry.name}: {entry.summary}", "", *textwrap.wrap(entry.text, WIDTH), "", "Fields"]
    for field in sorted(entry.fields, key=lambda field: not field.required):
        lines += textwrap.wrap(
            f"{field.name} ({_when(field)}): {field.description}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent="      ",
        )
    return "\n".join([*lines, "", "Example", textwrap.indent(entry.example, "  ")])


def _when(field: FieldText) -> str:
    if field.required:
        return "required"
    return "may be left out" if field.default is None else f"default {str(field.default).lower()}"
