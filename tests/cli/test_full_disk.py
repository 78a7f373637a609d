"""A disk that takes nothing ends every command with status 5 and one message, and leaves everything as it was."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgery.cli.main import run
from surgery.execution.stopping import of_the_machine
from surgery.recipe.file import append_to
from tests.networks import classifier, write_network
from tests.recipes_text import write_recipe

FREEZE = "operations:\n  - {op: freeze, layers: conv1}\n"
TRAIN = """
operations:
  - {op: freeze, layers: conv1}
training:
  data: {train: {npz: data.npz, x: x, y: y}}
  stages:
    - name: head
      epochs: 1
      optimizer: {SGD: {learning_rate: 0.1}}
      loss: sparse_categorical_crossentropy
outputs: {model: build/out.keras}
"""
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def git(*arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a recipe, two models, and what was written when there was room."""
    place = tmp_path / "project"
    place.mkdir()
    monkeypatch.chdir(place)
    write_recipe(place, FREEZE)
    write_network(place / "other.keras", classifier(), seed=2)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    assert run(["lock", "recipe.yaml"]) == 0
    (place / "recipe.yaml").write_text(
        "operations:\n    - {op: freeze,   layers: conv2}\n"
        + (place / "recipe.yaml").read_text().partition("operations")[0]
    )
    for name in ("plan.json", "diff.html", "comment.md", "summary.md"):
        (place / name).write_text("as it was")
    return place


def everything(folder: Path) -> dict[str, bytes]:
    """All files and folders, but what git keeps for itself besides its configuration."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(".git/") or name.startswith(".git/config"):
            found[name] = path.read_bytes() if path.is_file() else b""
    return found


def limited(arguments: Sequence[str], size: int = 0, **how: Any) -> subprocess.CompletedProcess[str]:
    """A command whose files may not have more bytes."""
    return subprocess.run(
        [sys.executable, "-B", "-m", "surgery", *arguments],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        **how,
    )


WRITING = [
    ["plan", "recipe.yaml", "--out", "plan.json"],
    ["plan", "recipe.yaml", "--out", "new.json"],
    ["plan", "recipe.yaml", "--out", "deep/er/new.json"],
    ["diff", "model.keras", "other.keras", "--html", "diff.html"],
    ["diff", "model.keras", "other.keras", "--html", "new.html"],
    ["lock", "recipe.yaml"],
    ["fmt", "recipe.yaml"],
    ["init", "model.keras", "-o", "new.yaml"],
    ["init", "model.keras"],
    ["git", "install"],
    ["review", "HEAD", "--dry-run", "comment.md"],
    ["review", "HEAD", "--dry-run", "new.md"],
    ["review", "HEAD", "--summary", "summary.md"],
    ["review", "HEAD", "--summary", "new.md"],
    ["apply", "recipe.yaml", "-o", "new.keras"],
    ["apply", "recipe.yaml", "-o", "deep/er/new.keras"],
]


@pytest.mark.parametrize("size", [0, 20])
@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_what_writes(project: Path, command: list[str], size: int) -> None:
    before = everything(project)
    done = limited(command, size)
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("error[run-failed]") == 1
    assert any(why in done.stderr for why in ("File too large", "temporary directory", "failed to write"))
    assert "Traceback" not in done.stderr
    assert everything(project) == before


@pytest.mark.keras
def test_a_run(project: Path) -> None:
    np.savez("data.npz", x=np.zeros((4, 8, 8, 1), "float32"), y=np.arange(4))
    write_recipe(project, TRAIN)
    for size in (0, 2000):
        done = limited(["run", "recipe.yaml"], size)
        assert done.returncode == 5, done.stderr
        assert done.stderr.count("error[run-failed]") == 1
        assert "Traceback" not in done.stderr
        left = {name for name in everything(project) if ".surgery-" in name or name.endswith((".keras", "checkpoint"))}
        assert left == {"model.keras", "other.keras"}


PRINTING = [
    ["schema"],
    ["ops"],
    ["ops", "freeze"],
    ["--help"],
    ["--version"],
    ["explain", "unknown-layer"],
    ["inspect", "model.keras"],
    ["inspect", "model.keras", "--json"],
    ["plan", "recipe.yaml"],
    ["plan", "recipe.yaml", "--json"],
    ["diff", "model.keras", "other.keras"],
    ["diff", "model.keras", "other.keras", "--json"],
    ["scan", "model.keras"],
    ["scan", "model.keras", "--output-format", "sarif"],
    ["validate", "recipe.yaml"],
    ["validate", "missing.yaml", "--output-format", "json"],
    ["validate", "missing.yaml", "--output-format", "sarif"],
    ["validate", "missing.yaml", "--output-format", "github"],
    ["fmt", "recipe.yaml", "--diff"],
    ["lock", "recipe.yaml"],
    ["review", "HEAD"],
    ["select", "recipe.yaml", "conv*"],
]


@needs_full
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_what_prints(project: Path, command: list[str], unbuffered: str) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "surgery", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    assert done.returncode == 5, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@needs_full
@pytest.mark.parametrize("arguments", [["validate", "missing.yaml"], ["nonsense"]])
def test_nobody_hears_why(project: Path, arguments: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run([sys.executable, "-m", "surgery", *arguments], stderr=full, check=False)
    assert done.returncode == 5


@needs_full
@pytest.mark.parametrize(
    "command",
    [
        ["plan", "recipe.yaml", "--out"],
        ["diff", "model.keras", "other.keras", "--html"],
        ["init", "model.keras", "-o"],
        ["review", "HEAD", "--dry-run"],
        ["review", "HEAD", "--summary"],
    ],
    ids=" ".join,
)
def test_a_device_stays_a_device(project: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "/dev/full"]) == 5
    assert "/dev/full cannot be written: No space left on device" in capsys.readouterr().err
    assert run([*command, "/dev/null"]) in (0, 4)  # the review finds that the lock has drifted
    assert FULL.is_char_device()
    assert Path("/dev/null").is_char_device()


def test_what_was_appended_in_part_goes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, real = tmp_path / "summary.md", os.write
    file.write_text("as it was")

    def full(descriptor: int, data: Any) -> int:
        if len(data) < 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:8])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Exception, match="No space left"):
        append_to(file, b"0123456789ab")
    assert file.read_text() == "as it was"


def test_no_folder_for_temporary_files_is_no_bug() -> None:
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    failure = of_the_machine(error)
    assert failure is not None
    assert "No usable temporary directory" in failure.what
    assert of_the_machine(FileNotFoundError(errno.ENOENT, "No such file or directory")) is None


def test_a_bug_without_room_for_its_log(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    monkeypatch.setattr("surgery.api.apply_to_file", lambda *_, **__: 1 // 0)
    assert run(["apply", "recipe.yaml"]) == 3
    said = capsys.readouterr().err
    assert "error[bug]: ZeroDivisionError" in said
    assert "no log can be written" in said
    assert "apply.py" in said
