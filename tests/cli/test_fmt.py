"""`surgery fmt`: what it writes, what it only says, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.cli.main import run
from tests.recipes_text import write_recipe

UNTIDY = "operations:\n- {layers: conv1, op: freeze}\n"


def test_writes_the_canonical_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, UNTIDY)
    recipe.chmod(0o640)
    assert run(["fmt", str(recipe)]) == 0
    assert capsys.readouterr().out == f"{recipe}: formatted\n"
    assert recipe.read_text().endswith("\n\noperations:\n  - {op: freeze, layers: conv1}\n")
    assert recipe.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "recipe.yaml"]
    assert run(["fmt", "--check", str(recipe)]) == 0
    assert capsys.readouterr().out == ""


def test_check_and_diff_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, UNTIDY)
    before = recipe.read_bytes()
    assert run(["fmt", "--check", str(recipe)]) == 4
    assert capsys.readouterr().out == f"{recipe}: would be formatted\n"
    assert run(["fmt", "--diff", str(recipe)]) == 0
    assert "+  - {op: freeze, layers: conv1}" in capsys.readouterr().out.splitlines()
    assert recipe.read_bytes() == before


def test_one_bad_recipe_does_not_hold_up_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, UNTIDY)
    bad = tmp_path / "bad.yaml"
    bad.write_text("surgery: 2\n")
    assert run(["fmt", str(bad), str(recipe)]) == 1
    assert "{op: freeze, layers: conv1}" in recipe.read_text()
    assert f"{bad}:1:10: error[" in capsys.readouterr().err
