"""From a file to a recipe, or to everything that is wrong with the file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from surgery.errors import SurgeryError, WrongType, flatten, raise_all
from surgery.recipe.characters import MOST_PROBLEMS
from surgery.recipe.checks import check
from surgery.recipe.document import Document, Scalar
from surgery.recipe.explain import explain
from surgery.recipe.file import read_bytes
from surgery.recipe.parameters import substitute
from surgery.recipe.reader import read_yaml
from surgery.recipe.recipe import Recipe
from surgery.recipe.sizes import sizes


def load_recipe(path: str | Path, overrides: Mapping[str, Scalar] | None = None, *, restricted: bool = False) -> Recipe:
    """Reads a recipe and checks all that can be checked without the model and the data.

    Args:
        overrides: Values for the recipe's parameters, as `--set` gives them on the command line.
        restricted: Whether a stranger wrote it: its paths must be relative, inside the workspace and no links, and nothing is
            downloaded or imported for it.

    Raises:
        SurgeryError: with every error of the file, `Errors` when there are several.
    """
    file = Path(path)
    return parse_recipe(file, read_bytes(file), overrides or {}, restricted=restricted)


def read_document(path: Path) -> Document:
    """The values of a recipe with its parameters in their places, whatever may be wrong with them.

    Raises:
        SurgeryError: the file cannot be read.
    """
    document, _ = read_yaml(str(path), read_bytes(path))
    return substitute(document, {})[0]


def parse_recipe(path: Path, data: bytes, overrides: Mapping[str, Scalar], *, restricted: bool = False) -> Recipe:
    """A recipe from the bytes of a file; its relative paths start from the folder of `path`."""
    document, problems = read_yaml(str(path), data)
    document, wrong, warnings = substitute(document, overrides)
    problems += wrong
    raise_all(sizes(document))
    recipe = None
    if not isinstance(document.root.content, Mapping):
        what = "a recipe is a map of keys to values"
        problems.append(WrongType(what, expected="surgery: 1, name, model, operations").at(document.location()))
    else:
        recipe, invalid = _validated(path, document)
        problems += invalid
        problems += check(document, path, restricted=restricted)
    raise_all(_in_order(problems))
    assert recipe is not None
    recipe = recipe.read_from(path, document, tuple(warnings))
    return recipe.restricted() if restricted else recipe


def _validated(path: Path, document: Document) -> tuple[Recipe | None, list[SurgeryError]]:
    values: dict[str, Any] = document.root.plain()
    values.setdefault("name", re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-")[:100] or "recipe")
    try:
        # As JSON, so that a list is what a tuple takes while all else stays strict.
        return Recipe.model_validate_json(json.dumps(values)), []
    except ValidationError as error:
        return None, explain(error.errors(include_url=False)[:MOST_PROBLEMS], document)


def _in_order(problems: list[SurgeryError]) -> list[SurgeryError]:
    """By line, each place and sentence once."""
    single = {(str(error.location), error.what): error for problem in problems for error in flatten(problem)}
    return list(single.values())
