"""What a run left, as a value that needs no Keras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RunResult:
    """What a run left."""

    document: dict[str, Any]
    """What `run.json` holds."""
    folder: Path
    """The folder of the run, with `run.json`, `report.md` and the curves."""
    model: Path
    """The file of the trained model."""

    def _repr_html_(self) -> str:
        from surgery.reporting.notebook_html import run_html

        return run_html(self.document)
