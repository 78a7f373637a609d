"""`--output-format`: every command has it, and a document is one document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surgery.cli.main import application, run
from tests.recipes_text import write_recipe

BAD = "parameters: {spare: 1}\noperations:\n  - {op: freze, layers: conv1}\n"
GOOD = "parameters: {spare: 1}\noperations:\n  - {op: freeze, layers: conv1}\n"


@pytest.mark.parametrize("command", ["validate", "plan", "apply", "run"])
def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    recipe = write_recipe(tmp_path, BAD)
    assert run([command, str(recipe), "--output-format", "json"]) == 1
    said = capsys.readouterr()
    assert said.err == ""
    (row,) = json.loads(said.out)["errors"]
    assert (row["code"], row["line"], row["path"]) == ("unknown-operation", 7, str(recipe))


def test_errors_of_planning_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, "operations:\n  - {op: freeze, layers: nothing}\n")
    assert run(["plan", "--output-format", "github", str(recipe)]) == 1
    assert capsys.readouterr().out.startswith(f"::error title=surgery%3A unknown-layer,file={recipe},line=6,col=")


def test_a_warning_is_in_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, GOOD)
    assert run(["validate", str(recipe), "--output-format", "sarif"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert [result["level"] for result in json.loads(said.out)["runs"][0]["results"]] == ["warning"]


def test_nothing_found_is_a_document_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, "operations:\n  - {op: freeze, layers: conv1}\n")
    assert run(["validate", str(recipe), "--output-format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"surgery": 1, "errors": []}


def test_one_command_does_not_remember_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, BAD)
    run(["validate", str(recipe), "--output-format", "json"])
    capsys.readouterr()
    assert run(["validate", str(recipe)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{recipe}:7:10: error[unknown-operation]" in said.err


def test_an_unknown_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "x.yaml", "--output-format", "xml"]) == 2
    assert "error[usage-error]: --output-format xml" in capsys.readouterr().err


def test_every_command_has_the_option() -> None:
    commands = [command for command in application().commands.values() if not hasattr(command, "commands")]
    assert all(any("--output-format" in parameter.opts for parameter in command.params) for command in commands)
