"""`surgery select` and `surgery why`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surgery.cli.main import run
from tests.networks import classifier, write_network
from tests.recipes_text import write_recipe


@pytest.fixture
def model(tmp_path: Path) -> str:
    write_network(tmp_path / "model.keras", classifier())
    return str(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("selector", "paths"),
    [
        ("conv*", ["conv1", "conv2"]),
        ("-1", ["predictions"]),
        ("{class: Conv2D}", ["conv1", "conv2"]),
        ("[conv1, {last: 1}]", ["conv1", "predictions"]),
        ("{all: [{from: conv1}, {not: {class: [Dense, Flatten]}}]}", ["conv1", "pool1", "conv2"]),
    ],
)
def test_what_matches(model: str, selector: str, paths: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["select", "--json", model, "--", selector]) == 0
    assert [layer["path"] for layer in json.loads(capsys.readouterr().out)["layers"]] == paths


def test_as_text(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["select", model, "conv*"]) == 0
    assert capsys.readouterr().out == "conv1  Conv2D   40\nconv2  Conv2D  148\n2 layers match 'conv*'\n"


def test_a_recipe_stands_for_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, "operations:\n  - {op: freeze, layers: nothing_of_the_kind}\n")
    assert run(["select", "--json", str(recipe), "dense"]) == 0
    assert [layer["path"] for layer in json.loads(capsys.readouterr().out)["layers"]] == ["dense"]


def test_nothing_matches(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["select", model, "convv*"]) == 1
    error = capsys.readouterr().err
    assert "error[unknown-layer]" in error
    assert "did you mean" in error


@pytest.mark.parametrize("selector", ["{classs: Conv2D}", "{class: ", "[]"])
def test_no_selector(model: str, selector: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["select", model, selector]) == 1
    assert "error[" in capsys.readouterr().err


def test_why(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["why", model, "conv1", "{all: [conv*, {not: {class: Dense}}]}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "conv1 matches"
    assert len(lines) == 5
    assert "the glob fits 'conv1'" in lines[2]


def test_why_not(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["why", "--json", model, "dense", "{class: Conv2D}"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["matches"] is False
    assert document["parts"][0]["reason"] == "its class is Dense"


def test_why_of_no_layer(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["why", model, "conv9", "conv*"]) == 1
    assert "error[unknown-layer]" in capsys.readouterr().err
