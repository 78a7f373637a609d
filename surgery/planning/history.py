"""The chain of surgeries that a model went through, in a member of its archive that Keras leaves alone.

Keras 3.15 opens an archive with further members and does not look at them; it writes none, so a model that Keras saved again
has no history. What stands in it follows from recipe, source and versions alone: no date, no path of this machine.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from surgery.errors import ModelInvalid
from surgery.model.archive import read_member
from surgery.model.documented import documented
from surgery.model.fingerprint import config_digest
from surgery.planning.document import Change
from surgery.planning.plan import Plan
from surgery.planning.stack import versions

MEMBER = "surgery/history.json"
LARGEST = 64 * 2**20

_STRICT = ConfigDict(use_attribute_docstrings=True, extra="forbid")


@with_config(_STRICT)
class RecipeTextDocument(TypedDict):
    """A recipe that was carried out."""

    name: str
    """Its name."""
    text: str
    """All of its text."""
    parameters: dict[str, str | int | float | bool | None]
    """The values of its parameters."""


@documented
class PastStepDocument(TypedDict):
    """An operation that was carried out."""

    op: str
    """The operation."""
    layers: list[str]
    """The layers that it worked on."""


@documented
class PastStageDocument(TypedDict):
    """A stage of training."""

    name: str
    """The stage."""


@documented
class PastSourceDocument(TypedDict):
    """The model that it started from."""

    model: str
    """As the recipe named it."""


@documented
class PastPlanDocument(TypedDict):
    """A plan as the version of surgery that made it printed it; every version has at least these keys."""

    source: PastSourceDocument
    """The model that it started from."""
    steps: list[PastStepDocument]
    """The operations, in order."""
    stages: list[PastStageDocument]
    """The stages of training."""
    parameters: Change
    """How many numbers all variables hold."""


@with_config(_STRICT)
class SurgeryDocument(TypedDict):
    """One surgery."""

    recipe: RecipeTextDocument
    """The recipe."""
    source: str
    """sha256 of the canonical config of the model that it started from."""
    plan: PastPlanDocument
    """What it did, as `surgery plan --json` printed it."""
    trained: bool
    """Whether the recipe's training stages ran, too."""
    versions: dict[str, str]
    """The software that did it."""


@with_config(_STRICT)
class HistoryDocument(TypedDict):
    """What `surgery inspect --history --json` prints."""

    format: Literal["surgery-history-1"]
    """This format."""
    surgeries: list[SurgeryDocument]
    """Every surgery, the first one first."""


def history_of(plan: Plan, *, trained: bool) -> dict[str, bytes]:
    """The member of the archive that a plan's result gets: the source's history, and this surgery.

    Raises:
        ModelInvalid: the source's history is damaged.
    """
    before = read_history(plan.source.path)
    recipe = plan.recipe
    surgery: SurgeryDocument = {
        "recipe": {"name": recipe.name, "text": recipe.text, "parameters": dict(recipe.parameters)},
        "source": f"sha256:{config_digest(plan.source.spec)}",
        "plan": json.loads(json.dumps(plan.to_json())),
        "trained": trained,
        "versions": versions(),
    }
    document: HistoryDocument = {"format": "surgery-history-1", "surgeries": [*before["surgeries"], surgery]}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return {MEMBER: text.encode()}


def read_history(path: Path) -> HistoryDocument:
    """The history of a model file; empty where it has none.

    Raises:
        ModelInvalid: it is no history.
        FileMissing, FileUnreadable: there is no such file.
    """
    data = read_member(path, MEMBER, LARGEST)
    if data is None:
        return {"format": "surgery-history-1", "surgeries": []}
    try:
        document: HistoryDocument = json.loads(data)
        problem = next(iter(_validator().iter_errors(document)), None)
    except (ValueError, RecursionError) as error:
        raise _invalid(path, f"it is no JSON: {error}") from None
    if problem is not None:
        raise _invalid(path, f"{problem.json_path}: {problem.message[:200]}")
    return document


@cache
def _validator() -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(TypeAdapter(HistoryDocument).json_schema())


def _invalid(path: Path, why: str) -> ModelInvalid:
    return ModelInvalid(
        f"the history in {path.name} cannot be read: {why}",
        expected=f"a member {MEMBER} that surgery wrote, or none",
        fix="load the model in Keras and save it again: that leaves the history out",
    )
