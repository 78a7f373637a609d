"""The account of a run while it goes on; at the end it becomes `run.json` and the report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from surgery.execution.claims import Evidence
from surgery.model.fingerprint import file_digest
from surgery.planning import Plan
from surgery.planning.stack import backend
from surgery.recipe import Recipe
from surgery.reporting.run_curves import curves_svg
from surgery.reporting.run_html import run_html
from surgery.reporting.run_report import run_report
from surgery.training.data.check import DataFacts
from surgery.training.evaluation import Comparison
from surgery.training.folder import json_text, write_whole
from surgery.training.history import History
from surgery.training.record import device_text, digests, recipe_text, shown, versions
from surgery.training.seeds import cannot_repeat

FORMAT = 1
"""The version of `run.json`."""


class Account:
    """What is known of a run so far. What goes in is read and digested when the run begins.

    Args:
        plan: What the run carries out.
        device: `cpu` or `gpu`.
    """

    def __init__(self, plan: Plan, device: str) -> None:
        self._plan, self._device = plan, device
        self._began = datetime.now(UTC)
        self._text = recipe_text(plan.recipe)
        self._digests = digests(plan)
        self._timings: dict[str, float] = {}
        self.streams = False
        self.facts: Mapping[str, DataFacts] = {}
        self.history = History()
        self.comparisons: list[Comparison] = []
        self.evidence: Evidence | None = None
        self.spared: Sequence[str] = ()
        """What evaluations did not compute again, in sentences."""
        self.resumed: Sequence[Mapping[str, str]] = ()
        self.notes: list[str] = []
        """Sentences on this run alone."""

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Adds the time that something took."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._timings[name] = self._timings.get(name, 0.0) + time.perf_counter() - began

    def leave(self, folder: Path, status: str, model: Path | None, failure: str | None = None) -> dict[str, Any]:
        """Writes curves, reports and, as the last, `run.json` into the folder of the run.

        Args:
            folder: The folder of the run.
            status: `done`, `gate-failed` or `failed`.
            model: The model that was written.
            failure: What stopped a run that failed.

        Returns:
            What `run.json` holds.
        """
        document = self._document(folder, status, model, failure)
        image = curves_svg(document)
        if image is not None:
            write_whole(folder / "curves.svg", image)
        write_whole(folder / "report.md", run_report(document, None if image is None else "curves.svg"))
        write_whole(folder / "report.html", run_html(document, self._plan))
        write_whole(folder / "run.json", json_text(document))
        return document

    def _document(self, folder: Path, status: str, model: Path | None, failure: str | None) -> dict[str, Any]:
        recipe = self._plan.recipe
        written = {} if model is None else {"model": file_digest(model)}
        return {
            "surgery": FORMAT,
            "status": status,
            "failure": failure,
            "began": self._began.isoformat(timespec="seconds"),
            "recipe": _recipe(recipe, self._text),
            "plan": self._plan.to_json(),
            "seed": recipe.seed,
            "backend": backend(),
            "device": device_text(self._device),
            "precision": recipe.training.precision if recipe.training else "float32",
            "versions": versions(),
            "digests": self._digests | written,
            "data": {name: asdict(facts) for name, facts in self.facts.items()},
            "stages": self.history.to_json(),
            "evidence": self.evidence.to_json() if self.evidence else None,
            "evaluation": [comparison.to_json() for comparison in self.comparisons],
            "spared": list(self.spared),
            "timings": {name: round(seconds, 3) for name, seconds in self._timings.items()},
            "resumed": [dict(one) for one in self.resumed],
            "notes": [*self._plan.notes, *self.notes, *cannot_repeat(self._device, self.streams)],
            "outputs": {
                "model": None if model is None else shown(model),
                "report": shown(folder / "report.md"),
                "html": shown(folder / "report.html"),
                "run": shown(folder / "run.json"),
            },
        }


def _recipe(recipe: Recipe, text: str) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "description": recipe.description,
        "path": shown(recipe.path),
        "parameters": dict(recipe.parameters),
        "text": text,
    }
