"""How commands end when the machine gives out: one message, its exit status, the old artifact untouched, no traceback."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from surgery.cli.main import run
from surgery.model.archive import read_model
from tests.recipes_text import write_recipe

FREEZE = "operations:\n  - {op: freeze, layers: conv1}\n"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    write_recipe(tmp_path, FREEZE)
    assert run(["apply", "recipe.yaml", "-o", "out.keras"]) == 0
    return "recipe.yaml"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("operation", ["pwrite", "fsync", "ftruncate", "open"])
def test_a_disk_that_gives_out(
    recipe: str, number: int, operation: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("out.keras").read_bytes()
    real = getattr(os, operation)

    def fails(*arguments: object, **keywords: object) -> object:
        if operation != "open" or ".surgery-stage" in str(arguments[0]):
            raise OSError(number, os.strerror(number), "out.keras")
        return real(*arguments, **keywords)

    with monkeypatch.context() as context:
        context.setattr(os, operation, fails)
        assert run(["apply", recipe, "-o", "out.keras"]) == 5
    said = capsys.readouterr().err
    assert said.startswith(f"error[run-failed]: out.keras cannot be written: {os.strerror(number)}")
    assert "what was there before is untouched" in said
    assert Path("out.keras").read_bytes() == before
    assert run(["apply", recipe, "-o", "out.keras"]) == 0


def test_a_real_limit_on_the_size_of_files(recipe: str) -> None:
    before = Path("out.keras").read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "surgery", "apply", recipe, "-o", "out.keras"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        5,
        "error[run-failed]: out.keras cannot be written: File too large; what was there before is untouched",
    )
    assert Path("out.keras").read_bytes() == before
    assert read_model("out.keras").find("conv1") is not None


def test_a_folder_that_cannot_be_made(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    assert run(["apply", recipe, "-o", "file/out.keras"]) == 5
    assert "error[run-failed]: file/out.keras cannot be written" in capsys.readouterr().err


class ResourceExhaustedError(Exception):
    """As TensorFlow calls it."""


@pytest.mark.parametrize("error", [MemoryError(), ResourceExhaustedError("OOM when allocating tensor")])
def test_memory_that_gives_out(
    recipe: str, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("surgery.api.apply_to_file", fails)
    assert run(["apply", recipe]) == 5
    said = capsys.readouterr().err
    assert said.startswith("error[run-failed]: memory ran out")
    assert "fix:" in said
    assert "Traceback" not in said


def test_any_other_error_is_our_bug(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("surgery.api.apply_to_file", lambda *_, **__: 1 // 0)
    assert run(["apply", recipe]) == 3
    said = capsys.readouterr().err
    assert said.startswith("error[bug]: ZeroDivisionError")
    assert "Traceback" not in said


@pytest.mark.parametrize("command", [["text"], ["diff", "out.keras", "recipe.yaml", "0", "0"]])
def test_a_bug_in_one_file_does_not_end_git(
    recipe: str, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fails(*_: object, **__: object) -> object:
        raise RuntimeError("nobody thought of that")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("surgery.reporting.model_blocks.open_side", fails)
    monkeypatch.setattr("surgery.api.diff", fails)
    rest = ["out.keras"] if command == ["text"] else ["out.keras", "0", "0"]
    assert run(["git", *command, *rest]) == 0
    assert "error[bug]: RuntimeError: nobody thought of that" in capsys.readouterr().out
    assert len(list(tmp_path.glob("surgery-bug-*.log"))) == 1
