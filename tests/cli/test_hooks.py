"""The hooks of pre-commit: each entry as a process, with file names behind it, as pre-commit runs it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.recipes_text import write_recipe

GOOD = "operations:\n  - {op: freeze, layers: conv1}\n"
UNTIDY = "operations:\n- {layers: conv1, op: freeze}\n"


@pytest.fixture(scope="module")
def hooks(repository: Path) -> dict[str, dict[str, str]]:
    text = (repository / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    return {hook["id"]: hook for hook in YAML(typ="safe").load(text)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the hooks run; like pre-commit they name files relative to it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hooked(hook: dict[str, str], *files: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(hook["entry"])
    assert program == "surgery"
    named = [str(file.relative_to(Path.cwd())) for file in files]
    command = [sys.executable, "-m", "surgery", *arguments, *named]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_there_are_three(hooks: dict[str, dict[str, str]]) -> None:
    assert list(hooks) == ["surgery-validate", "surgery-lock-check", "surgery-fmt"]
    assert all(hook["language"] == "python" for hook in hooks.values())


def test_they_pick_recipes(hooks: dict[str, dict[str, str]], repository: Path) -> None:
    recipes = [path.relative_to(repository).as_posix() for path in repository.glob("recipes/*/*.yaml")]
    for hook in hooks.values():
        assert all(re.search(hook["files"], path) for path in recipes)
        assert not re.search(hook["files"], ".pre-commit-hooks.yaml")


def test_validate(hooks: dict[str, dict[str, str]], folder: Path) -> None:
    good = write_recipe(folder, GOOD)
    bad = folder / "bad.yaml"
    bad.write_text("surgery: 2\n")
    assert hooked(hooks["surgery-validate"], good).returncode == 0
    done = hooked(hooks["surgery-validate"], good, bad)
    assert done.returncode == 1
    assert f"{bad.name}:1:10: error[" in done.stderr


def test_fmt_changes_the_file_which_makes_pre_commit_fail(hooks: dict[str, dict[str, str]], folder: Path) -> None:
    recipe = write_recipe(folder, UNTIDY)
    assert hooked(hooks["surgery-fmt"], recipe).returncode == 0
    assert "{op: freeze, layers: conv1}" in recipe.read_text()


def test_lock_check(hooks: dict[str, dict[str, str]], folder: Path) -> None:
    first, second = (write_recipe(each, GOOD) for each in _folders(folder))
    assert hooked(hooks["surgery-lock-check"], first).returncode == 1
    subprocess.run([sys.executable, "-m", "surgery", "lock", str(first), str(second)], check=True)
    assert hooked(hooks["surgery-lock-check"], first, second).returncode == 0
    second.write_text(second.read_text().replace("conv1", "conv2"))
    done = hooked(hooks["surgery-lock-check"], first, second)
    assert done.returncode == 4
    assert "lock-drift" in done.stderr


def _folders(folder: Path) -> list[Path]:
    folders = [folder / "one", folder / "two"]
    for each in folders:
        each.mkdir()
    return folders
