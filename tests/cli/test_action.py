"""The GitHub Action: its steps as a runner would run them, and the rules that keep a stranger's checkout from running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.cli.repository import FREEZE, HEAD, Repository


@pytest.fixture(scope="module")
def steps(repository: Path) -> list[dict[str, Any]]:
    text = (repository / "action.yml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = YAML(typ="safe").load(text)["runs"]["steps"]
    return found


def test_nothing_untrusted_reaches_a_shell(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        assert "${{" not in step["run"]
        assert "uses" not in step
        for line in step["run"].splitlines():
            assert " -m " not in line or " -I -m " in line


def reviewed(step: dict[str, Any], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the review step as a runner does, with this Python in the place of the one that the first step installs."""
    runner = folder.parent / "runner"
    python = runner / "surgery/bin/python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    given = {
        "BASE": "",
        "EVENT_BASE": "",
        "COMMENT": "true",
        "GITHUB_TOKEN": "",
        "SURGERY_PULL_REQUEST": "",
        **environment,
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={**os.environ, **given, "RUNNER_TEMP": str(runner), "GITHUB_STEP_SUMMARY": str(runner / "summary.md")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_merge_that_github_checks_out(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    made = Repository(tmp_path / "project")
    made.recipe(FREEZE)
    made.commit()
    made.git("checkout", "--quiet", "-b", "change")
    made.recipe(HEAD)
    made.commit()
    made.git("checkout", "--quiet", "main")
    made.recipe(FREEZE, "meanwhile")
    made.commit()
    made.git("merge", "--quiet", "--no-ff", "--message", "merge", "change")
    done = reviewed(steps[1], made.folder)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "runner/summary.md").read_text()
    assert "`one/recipe.yaml` | changed | ok" in text
    assert "meanwhile" not in text


def test_an_error_is_annotated_and_fails_the_step(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    made = Repository(tmp_path / "project")
    made.recipe(FREEZE)
    base = made.commit()
    made.recipe("operations:\n  - {op: freze, layers: conv1}\n")
    made.commit()
    done = reviewed(steps[1], made.folder, EVENT_BASE=base)
    assert done.returncode == 1
    assert done.stdout.startswith("::error title=surgery%3A unknown-operation,file=one/recipe.yaml,line=6,")


def test_inputs_are_no_commands(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    made = Repository(tmp_path / "project")
    made.recipe(FREEZE)
    made.commit()
    for base in ("$(touch owned)", "--output=owned", "'; touch owned; '"):
        assert reviewed(steps[1], made.folder, BASE=base).returncode != 0
    assert not (made.folder / "owned").exists()
