"""A plan that was saved: what it will do, the recipe that it came from, and the facts that it stands on.

It is carried out only where all of that still holds.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from surgery.errors import Errors, FileMissing, FileUnreadable, Location, ModelInvalid, PlanStale, SurgeryError
from surgery.model.archive.container import open_regular
from surgery.planning.document import PlanDocument
from surgery.planning.facts import input_facts, moved
from surgery.planning.plan import Plan
from surgery.recipe.document import Scalar
from surgery.recipe.file import read_bytes
from surgery.recipe.loader import parse_recipe
from surgery.recipe.recipe import Recipe

LARGEST = 128 * 2**20
SHOWN = 20
"""What moved is listed up to so many lines."""

_STRICT = ConfigDict(use_attribute_docstrings=True, extra="forbid")


@with_config(_STRICT)
class RecipeDocument(TypedDict):
    """The recipe that the plan was made from."""

    path: str
    """The file, relative to the saved plan, with forward slashes."""
    text: str
    """All of its text."""
    parameters: dict[str, str | int | float | bool | None]
    """What `--set` gave its parameters."""


@with_config(_STRICT)
class SavedPlanDocument(TypedDict):
    """What `surgery plan --out` writes and `surgery apply` takes."""

    format: Literal["surgery-plan-1"]
    """This format."""
    recipe: RecipeDocument
    """The recipe that the plan was made from."""
    plan: PlanDocument
    """The plan, as `surgery plan --json` prints it."""
    facts: dict[str, str]
    """What the plan stands on: digests of the recipe, of the model's config and variables, of the data; versions; seed."""


def save_plan(plan: Plan, path: Path, parameters: Mapping[str, Scalar]) -> str:
    """The text of a saved plan.

    Args:
        plan: The plan.
        path: The file that the text will be in; the recipe is found from there again.
        parameters: What `--set` gave the recipe's parameters.
    """
    data = read_bytes(plan.recipe.path)
    document: SavedPlanDocument = {
        "format": "surgery-plan-1",
        "recipe": {
            "path": Path(os.path.relpath(plan.recipe.path.resolve(), path.resolve().parent)).as_posix(),
            "text": data.decode("utf-8"),
            "parameters": dict(parameters),
        },
        "plan": _plain(plan.to_json()),
        "facts": _facts(plan, data),
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def open_saved(path: Path, make_plan: Callable[[Recipe], Plan]) -> Plan:
    """The plan in a file, made again and found to be the same.

    Args:
        path: A file that `save_plan` gave the text of.
        make_plan: Makes the plan of a recipe.

    Raises:
        FileMissing, FileUnreadable, ModelInvalid: the file is no saved plan.
        PlanStale: something that the plan stands on has moved; every such thing is named.
        SurgeryError: the recipe cannot be planned any more.
    """
    saved = read_saved(path)
    file = path.parent / PurePosixPath(saved["recipe"]["path"])
    data = read_bytes(file)
    if data != saved["recipe"]["text"].encode("utf-8", "surrogatepass"):
        raise _refusal(path, [f"recipe: {saved['recipe']['path']} is another text than when the plan was saved"])
    plan = make_plan(parse_recipe(file, data, saved["recipe"]["parameters"]))
    lines = moved(saved["facts"], _facts(plan, data)) or _differences(saved["plan"], _plain(plan.to_json()))
    if lines:
        raise _refusal(path, lines)
    return plan


def read_saved(path: Path) -> SavedPlanDocument:
    """A saved plan, checked against its schema.

    Raises:
        FileMissing, FileUnreadable, ModelInvalid: there is none, or it is not one.
    """
    import jsonschema

    try:
        descriptor = open_regular(path)
    except (FileMissing, FileUnreadable) as error:
        error.expected = "a plan that surgery plan --out wrote"
        raise error.at(Location(str(path))) from None
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(LARGEST + 1)
    try:
        if len(data) > LARGEST:
            raise _invalid(path, f"it is larger than {LARGEST} bytes")
        document: SavedPlanDocument = json.loads(data)
        problem = jsonschema.exceptions.best_match(_validator().iter_errors(document))
    except (ValueError, RecursionError) as error:
        raise _invalid(path, f"it is no JSON: {error}") from None
    if problem is not None:
        raise _invalid(path, f"{problem.json_path}: {problem.message[:200]}")
    return document


def saved_plan_schema() -> dict[str, Any]:
    """The JSON Schema of a saved plan."""
    return TypeAdapter(SavedPlanDocument).json_schema()


@cache
def _validator() -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(saved_plan_schema())


def _facts(plan: Plan, recipe: bytes) -> dict[str, str]:
    return {"recipe": f"sha256:{hashlib.sha256(recipe).hexdigest()}", **input_facts(plan)}


def _plain(document: Any) -> Any:
    """The document as it is after a way through a file: tuples are lists."""
    return json.loads(json.dumps(document))


def _differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The parts of the plan that are not what they were, when all that it stands on is."""
    return [f"the plan itself: {key}" for key in sorted({*saved, *now}) if saved.get(key) != now.get(key)]


def _refusal(path: Path, lines: list[str]) -> SurgeryError:
    """An error for each thing that moved; the last one says what to do."""
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    errors: list[SurgeryError] = [PlanStale(line, location=Location(str(path))) for line in [*lines[:SHOWN], *more]]
    errors[-1].expected = "recipe, model, data and versions as they were when the plan was saved"
    errors[-1].fix = "look at the new plan and save it: surgery plan RECIPE --out PLAN"
    return errors[0] if len(errors) == 1 else Errors(errors)


def _invalid(path: Path, why: str) -> ModelInvalid:
    return ModelInvalid(
        f"this is no saved plan: {why}",
        expected="a plan that surgery plan --out wrote",
        fix="save it again: surgery plan RECIPE --out PLAN",
        location=Location(str(path)),
    )
