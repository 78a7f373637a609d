"""What every SARIF 2.1.0 document of surgery has."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif_document(run: dict[str, Any]) -> dict[str, Any]:
    """A document of one run."""
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def uri(path: str) -> str:
    """Relative paths stay relative, so that a service finds them in the repository."""
    return Path(path).as_uri() if Path(path).is_absolute() else quote(Path(path).as_posix())
