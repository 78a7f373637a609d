"""The JSON Schema: fresh, described, and of one opinion with the loader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from surgery.operations import registry
from surgery.recipe.reader import read_yaml
from surgery.recipe.schema_json import recipe_schema, schema_text
from tests.recipe.recipes import GOOD, broken
from tests.recipe.test_broken import BROKEN

ROOT = Path(__file__).parents[2]
RECIPES = sorted(ROOT.glob("recipes/*/*.yaml"))

ONLY_THE_LOADER_KNOWS = {
    "ambiguous-value",
    "anchor-refused",
    "duplicate-key",
    "duplicate-name",
    "file-missing",
    "key-not-text",
    "merge-key-refused",
    "output-refused",
    "syntax-invalid",
    "tag-refused",
    "undeclared-import",
    "unknown-parameter",
}
"""Errors of the text, of several values together, or of the disk."""

ELSEWHERE = ("${", "validation_split", "data: ‸validation", "‸name: the old", "‸Dense: {", "‸weights: null")
"""Changes that are wrong because of another place: a parameter, two keys that exclude each other, no `inherit: true`."""


@cache
def validator() -> Any:
    return jsonschema.Draft202012Validator(json.loads((ROOT / "schemas/recipe.schema.json").read_text("utf-8")))


def values(text: str) -> Any:
    document, problems = read_yaml("recipe.yaml", text.encode())
    assert not problems
    return document.root.plain()


def test_the_committed_schema_is_fresh() -> None:
    committed = (ROOT / "schemas/recipe.schema.json").read_text("utf-8")
    assert committed == schema_text(), "run: make golden"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(recipe_schema())


def test_the_good_recipe_is_accepted() -> None:
    assert list(validator().iter_errors(values(GOOD))) == []


@pytest.mark.parametrize("path", RECIPES, ids=[str(path.relative_to(ROOT)) for path in RECIPES])
def test_every_recipe_of_the_repository_is_accepted(path: Path) -> None:
    assert list(validator().iter_errors(values(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "case",
    [case for case in BROKEN if case[0] not in ONLY_THE_LOADER_KNOWS and not any(t in str(case) for t in ELSEWHERE)],
    ids=lambda case: f"{case[0]}-{BROKEN.index(case)}",
)
def test_each_broken_recipe_is_refused(case: Any) -> None:
    assert not validator().is_valid(values(broken(*case[1:])[0]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 7", "seed: ${seed}"),
        ("name: digits-0-to-9", "name: ${name}-9"),
        ("units: 10", 'units: "${units}"'),
        ("weights: overlap", "weights: ${policy}"),
        ("{to: flatten}", '{last: "${count}"}'),
        ("{to: flatten}", "${layers}"),
        ("batch_size: 32", "batch_size: ${batch}"),
        ("device: cpu", "device: ${device}"),
        ("0.02", '"${drop}"'),
        ("{to: flatten}", "{to: flatten}\n    optional: ${optional}"),
        ("{to: flatten}", "{to: flatten}\n    expect: ${count}"),
        ("activation: softmax", 'activation: "${activation}"'),
        ("loss: sparse_categorical_crossentropy", "loss: ${loss}"),
    ],
)
def test_a_parameter_may_stand_for_any_scalar(old: str, new: str) -> None:
    assert list(validator().iter_errors(values(GOOD.replace(old, new, 1)))) == []


def test_what_is_no_parameter_is_still_refused() -> None:
    assert not validator().is_valid(values(GOOD.replace("seed: 7", "seed: seven")))


def described(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every property of a schema, and where it is."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from ((f"{path}.{name}", value) for name, value in properties.items() if isinstance(value, dict))
        for name, value in schema.items():
            yield from described(value, f"{path}.{name}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from described(value, f"{path}[{index}]")


def test_every_field_has_a_description() -> None:
    schema = json.loads(schema_text())
    fields = list(described(schema))
    assert len(fields) > 200
    assert [path for path, field in fields if not (field.get("description") or shared(schema, field))] == []


def shared(schema: Any, field: Any) -> str | None:
    """The description of the definition that a field refers to: what every layer takes is written once."""
    name = field.get("$ref", "").removeprefix("#/$defs/")
    description: str | None = schema["$defs"].get(name, {}).get("description")
    return description


def test_every_operation_has_hover_text() -> None:
    definitions = recipe_schema()["$defs"]
    for name, operation in registry().items():
        (definition,) = [d for d in definitions.values() if d.get("properties", {}).get("op", {}).get("const") == name]
        assert operation.__doc__ is not None
        assert definition["properties"]["op"]["description"].startswith(operation.__doc__.split("\n")[0])
        assert "Example:" in definition["description"]
