"""What holds for every operation, whatever it does."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from surgery.operations import registry
from surgery.operations.description import describe
from surgery.operations.operation import values_of

NAMES = list(registry())


def example(name: str) -> dict[str, Any]:
    entries = YAML(typ="safe").load(describe(name).example)
    assert isinstance(entries, list)
    assert len(entries) == 1
    return dict(entries[0])


def read(name: str, values: dict[str, Any]) -> Any:
    return registry()[name].model_validate_json(json.dumps(values))


@pytest.mark.parametrize("name", NAMES)
def test_the_example_is_valid(name: str) -> None:
    assert read(name, example(name)).op == name


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_key_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        read(name, {**example(name), "unknown": 1})


@pytest.mark.parametrize("name", NAMES)
def test_yaml_round_trip(name: str) -> None:
    operation = read(name, example(name))
    text = io.StringIO()
    YAML(typ="safe").dump(values_of(operation), text)
    assert read(name, YAML(typ="safe").load(text.getvalue())) == operation


@pytest.mark.parametrize("name", NAMES)
def test_it_is_described(name: str) -> None:
    entry = describe(name)
    assert entry.summary.endswith(".")
    assert entry.text
    assert all(field.description for field in entry.fields)


@pytest.mark.parametrize("name", NAMES)
def test_file_and_class_have_its_name(name: str) -> None:
    operation = registry()[name]
    assert operation.__module__ == f"surgery.operations.{name}"
    assert operation.__name__.lower() == name.replace("_", "")
