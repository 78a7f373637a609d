"""The JSON Schemas of the documents that commands print, made from their types.

`python -m surgery.reporting.schemas FOLDER` writes them; the copies in `schemas/` are checked to be fresh.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from surgery.model.changes.document import DiffDocument
from surgery.model.listing import Listing
from surgery.model.select.document import SelectDocument, WhyDocument
from surgery.planning.document import PlanDocument
from surgery.planning.history import HistoryDocument
from surgery.planning.saved import SavedPlanDocument
from surgery.recipe.schema_json import recipe_schema
from surgery.reporting.errors_json import ErrorsDocument
from surgery.reporting.scan_text import ScanDocument

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _of(document: Any, title: str) -> Callable[[], dict[str, Any]]:
    def schema() -> dict[str, Any]:
        return {"$schema": DIALECT, **TypeAdapter(document).json_schema(), "title": title}

    return schema


SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "recipe": recipe_schema,
    "inspect": _of(Listing, "surgery inspect"),
    "plan": _of(PlanDocument, "surgery plan"),
    "history": _of(HistoryDocument, "surgery inspect --history"),
    "saved-plan": _of(SavedPlanDocument, "surgery plan --out"),
    "scan": _of(ScanDocument, "surgery scan --json"),
    "select": _of(SelectDocument, "surgery select"),
    "why": _of(WhyDocument, "surgery why"),
    "diff": _of(DiffDocument, "surgery diff"),
    "errors": _of(ErrorsDocument, "surgery --output-format json"),
}


def schema_texts() -> dict[str, str]:
    """Every published schema, by file name."""
    return {f"{name}.schema.json": json.dumps(make(), indent=1) + "\n" for name, make in SCHEMAS.items()}


def write(folder: Path) -> None:
    """Writes them all."""
    for name, text in schema_texts().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
