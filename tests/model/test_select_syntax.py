"""Selectors as YAML values: read, written back, described by a JSON Schema, refused in YAML words."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from surgery.model.select import Selector, read_selector, selector_text, to_yaml
from tests.model.test_select import FORMS


class Example(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    layers: Selector
    to: Selector | None = None


SCHEMA = Example.model_json_schema()
VALUES = [value for value, _ in FORMS]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_round_trip(value: Any) -> None:
    example = Example.model_validate({"layers": copy.deepcopy(value)})
    assert example.model_dump()["layers"] == value
    assert json.loads(example.model_dump_json())["layers"] == value
    assert read_selector(to_yaml(example.layers)) == example.layers
    assert hash(example.layers) == hash(read_selector(value))


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_schema_accepts(value: Any) -> None:
    jsonschema.validate({"layers": value}, SCHEMA, jsonschema.Draft202012Validator)


def test_schema_stands_once_and_is_described() -> None:
    selector = SCHEMA["$defs"]["Selector"]
    assert SCHEMA["properties"]["layers"] == {"$ref": "#/$defs/Selector"}
    assert list(SCHEMA["$defs"]) == ["Selector"]
    assert selector["description"]
    for form in selector["anyOf"]:
        assert form["description"]
        for field in form.get("properties", {}).values():
            assert field["description"]


def test_the_value_read_is_not_shared() -> None:
    value = {"config": {"kernel_size": [3, 3]}}
    selector = read_selector(value)
    value["config"]["kernel_size"].append(3)
    assert to_yaml(selector) == {"config": {"kernel_size": [3, 3]}}


REFUSED: list[tuple[Any, str, tuple[str | int, ...], str]] = [
    (True, "wrong-type", (), "true is not a selector"),
    (1.5, "wrong-type", (), "the number 1.5 is not a selector"),
    (None, "wrong-type", (), "null is not a selector"),
    ("", "invalid-value", (), "an empty string is not a selector"),
    ("  ", "invalid-value", (), "an empty string is not a selector"),
    ([], "invalid-value", (), "the list of selectors is empty"),
    ({}, "invalid-value", (), "an empty mapping is not a selector"),
    (["a", {"clas": "Dense"}], "unknown-key", (1, "clas"), "'clas' is not a form of selector"),
    ({3: "Dense"}, "unknown-key", (3,), "'3' is not a form of selector"),
    ({"of": "a"}, "missing-key", (), "'of' alone chooses nothing"),
    ({"class": "A", "of": "b"}, "unknown-key", ("of",), "'of' does not go with 'class'"),
    ({"class": "A", "regex": "b"}, "invalid-value", (), "'class' and 'regex' do not go into one selector"),
    ({"first": 1, "last": 1}, "invalid-value", (), "'first' and 'last' do not go into one selector"),
    ({"from": "a", "first": 1}, "invalid-value", (), "'from/to' and 'first' do not go into one selector"),
    ({"first": 0}, "invalid-value", ("first",), "0 is not a number of layers to choose"),
    ({"last": "5"}, "wrong-type", ("last",), "the string '5' is not a number of layers"),
    ({"last": True}, "wrong-type", ("last",), "true is not a number of layers"),
    ({"from": None}, "wrong-type", ("from",), "null is not an end of a range"),
    ({"to": ["a"]}, "wrong-type", ("to",), "a list is not an end of a range"),
    ({"class": 3}, "wrong-type", ("class",), "the number 3 is not a class name"),
    ({"class": []}, "invalid-value", ("class",), "the list of classes is empty"),
    ({"class": ["Dense", 3]}, "wrong-type", ("class", 1), "the number 3 is not a class name"),
    ({"regex": 3}, "wrong-type", ("regex",), "the number 3 is not a regular expression"),
    (
        {"regex": "^block[45"},
        "invalid-value",
        ("regex",),
        "'^block[45' is not a regular expression: missing ]: [45",
    ),
    (
        {"regex": "{expected}("},
        "invalid-value",
        ("regex",),
        "'{expected}(' is not a regular expression: missing ): {expected}(",
    ),
    ({"config": "relu"}, "wrong-type", ("config",), "the string 'relu' is not a config"),
    ({"config": {}}, "invalid-value", ("config",), "an empty config chooses nothing"),
    ({"between": "a"}, "wrong-type", ("between",), "the string 'a' is not a pair of layers"),
    ({"between": ["a"]}, "invalid-value", ("between",), "'between' has 1 ends"),
    ({"between": ["a", {"last": 0}]}, "invalid-value", ("between", 1, "last"), "0 is not a number of layers to choose"),
    ({"any": "a"}, "wrong-type", ("any",), "'any' takes a list of selectors, not the string 'a'"),
    ({"all": [{"not": None}]}, "wrong-type", ("all", 0, "not"), "null is not a selector"),
    ({"last": 5, "of": {"to": 1.5}}, "wrong-type", ("of", "to"), "the number 1.5 is not an end of a range"),
]


@pytest.mark.parametrize(("value", "code", "at", "message"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_refused(value: Any, code: str, at: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Example.model_validate({"layers": value})
    (error,) = caught.value.errors()
    assert (error["type"], error["ctx"]["at"], error["msg"]) == (code, at, message)
    assert error["ctx"]["expected"]
    assert error["loc"] == ("layers",)


@pytest.mark.parametrize("value", [row[0] for row in REFUSED if row[0] != {3: "Dense"}], ids=str)
def test_schema_refuses(value: Any) -> None:
    checker = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    assert not checker.is_valid({"layers": value})


def test_fixes() -> None:
    def fix_of(value: Any) -> str:
        with pytest.raises(ValidationError) as caught:
            Example.model_validate({"layers": value})
        return str(caught.value.errors()[0]["ctx"].get("fix"))

    assert fix_of({"clas": "Dense"}) == "did you mean 'class'?"
    assert fix_of({"class": "A", "regex": "^b"}) == '{all: [{class: A}, {regex: "^b"}]}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("conv_*", "'conv_*'"),
        ({"class": ["Dense", "Conv2D"]}, "{class: [Dense, Conv2D]}"),
        ({"config": {"use_bias": False, "name": "no"}}, '{config: {use_bias: false, name: "no"}}'),
    ],
)
def test_text(value: Any, text: str) -> None:
    assert selector_text(read_selector(value)) == text
