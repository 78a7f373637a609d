"""`parameters:`, `${name}` and `--set`."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.errors import SurgeryError, UsageError, flatten, render
from surgery.recipe import Recipe, load_recipe, parse_overrides
from surgery.recipe.document import Scalar
from surgery.recipe.parameters import substitute
from surgery.recipe.reader import read_yaml
from tests.recipe.recipes import write

HEAD = "surgery: 1\nmodel: {path: base.keras}\n"


def load(folder: Path, text: str, **overrides: Scalar) -> Recipe:
    return load_recipe(write(folder, HEAD + text), overrides)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("8", "8"),
        ("true", "true"),
        ("null", "null"),
        ("0.001", "0.001"),
        ("1e-05", "1e-05"),
        ("eight", "eight"),
        ("'8'", "8"),
    ],
)
def test_inside_longer_text_a_parameter_is_text(tmp_path: Path, value: str, text: str) -> None:
    recipe = load(tmp_path, f"parameters: {{x: {value}}}\ndescription: a ${{x}} b ${{x}}\n")
    assert recipe.description == f"a {text} b {text}"


@pytest.mark.parametrize(("value", "seed"), [("8", 8), ("0", 0)])
@pytest.mark.parametrize("use", ["${x}", '"${x}"', "'${x}'"])
def test_alone_a_parameter_keeps_its_type(tmp_path: Path, value: str, seed: int, use: str) -> None:
    assert load(tmp_path, f"parameters: {{x: {value}}}\nseed: {use}\n").seed == seed


def test_a_parameter_works_in_lists_and_maps(tmp_path: Path) -> None:
    text = 'parameters: {c: "conv*", n: 2}\noperations: [{op: freeze, layers: ["${c}", "b${n}"], optional: true}]\n'
    recipe = load(tmp_path, text)
    assert recipe.operations[0].model_dump()["layers"] == ["conv*", "b2"]


def test_two_dollars_stand_for_one(tmp_path: Path) -> None:
    assert load(tmp_path, "description: costs $5, $${x} and $$\n").description == "costs $5, ${x} and $$"


def test_nothing_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    with pytest.raises(SurgeryError) as caught:
        load(tmp_path, "description: ${HOME}\n")
    assert caught.value.code() == "unknown-parameter"


def test_an_override_wins(tmp_path: Path) -> None:
    assert load(tmp_path, "parameters: {x: 8}\nseed: ${x}\n", x=3).seed == 3


def test_an_override_of_another_type_is_an_error_where_it_is_used(tmp_path: Path) -> None:
    with pytest.raises(SurgeryError) as caught:
        load(tmp_path, "parameters: {x: 8}\nseed: ${x}\n", x="three")
    assert caught.value.what == "seed: 'three' is not a whole number (from ${x})"
    assert caught.value.location is not None
    assert (caught.value.location.line, caught.value.location.column) == (4, 7)


@pytest.mark.parametrize("text", ["parameters: {epochs: 8}\nseed: ${epochs}\n", "seed: 1\n"])
def test_an_override_of_no_parameter(tmp_path: Path, text: str) -> None:
    with pytest.raises(SurgeryError) as caught:
        load(tmp_path, text, epoch=3)
    assert caught.value.code() == "unknown-parameter"
    assert caught.value.what == "--set epoch: the recipe has no parameter 'epoch'"
    assert caught.value.location is not None
    if "epochs" in text:
        assert caught.value.location.line == 3
        assert caught.value.fix == "did you mean 'epochs'?"


def test_an_unused_parameter_is_a_warning(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, "parameters:\n  epochs: 8\n").warnings
    assert render(warning).endswith(
        """:4:3: warning[unused-parameter]: the parameter 'epochs' is used nowhere
  |
4 |   epochs: 8
  |   ^^^^^^
  expected: ${epochs} somewhere
  fix:      use it, or take it out"""
    )


def test_each_unknown_parameter_has_its_own_place(tmp_path: Path) -> None:
    with pytest.raises(SurgeryError) as caught:
        load(tmp_path, "parameters: {abc: 1}\ndescription: ${abc} ${abd} and ${xyz}\n")
    found = [(e.location.column, e.location.width, e.fix) for e in flatten(caught.value) if e.location]
    assert found == [(21, 6, "did you mean 'abc'?"), (32, 6, "declare it: parameters: {xyz: ...}")]


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ([], {}),
        (["epochs=3"], {"epochs": 3}),
        (["rate=1e-3", "name=a=b"], {"rate": 0.001, "name": "a=b"}),
        (["flag=true", "none=null", "empty="], {"flag": True, "none": None, "empty": None}),
        (["text='no'", 'more="3"'], {"text": "no", "more": "3"}),
        (["path=a: b # c"], {"path": "a: b # c"}),
        (["x=1", "x=2"], {"x": 2}),
    ],
)
def test_set_is_read_by_the_rules_of_scalars(settings: list[str], values: dict[str, Scalar]) -> None:
    assert parse_overrides(settings) == values


@pytest.mark.parametrize("setting", ["epochs", "=3", "a-b=3", "flag=no", "mode=0777", "big=" + "9" * 30])
def test_a_setting_that_cannot_be_read(setting: str) -> None:
    with pytest.raises(SurgeryError) as caught:
        parse_overrides([setting])
    assert (caught.value.code(), caught.value.exit_status) == ("usage-error", 2)


@pytest.mark.parametrize("value", ['"a\\nb"', '"a\\tb"', '"\\u0645\\u200c\\u0645"'])
def test_a_parameter_brings_no_hidden_character_into_a_name(value: str) -> None:
    text = f"parameters: {{x: {value}}}\na: {{name: 'conv${{x}}'}}\nb: {{text: '${{x}}'}}\n"
    document, problems = read_yaml("recipe.yaml", text.encode())
    _, wrong, _ = substitute(document, {})
    is_hidden = "\\u0645" not in value
    assert problems == []
    assert [(error.code(), str(error.location)) for error in wrong] == [
        ("character-refused", "recipe.yaml:2:11")
    ] * is_hidden


@pytest.mark.parametrize("value", ["a\u202eb", "\ue000", "'a\u200db'", "a\x1b[0m"])
def test_the_command_line_brings_none_either(value: str) -> None:
    with pytest.raises(UsageError, match="a character that cannot be seen"):
        parse_overrides([f"x={value}"])
