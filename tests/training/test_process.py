"""A run with another backend than this process has: in a child, whose end is told as if it were our own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import surgery
from surgery.cli.main import run
from surgery.errors import DataInvalid, ExtraMissing
from surgery.training import process
from tests.networks import classifier
from tests.recipes_text import write_recipe

RECIPE = """\
training:
  backend: tensorflow
  data: {train: {npz: data.npz, x: x, y: y}, batch_size: 8}
  stages:
    - {name: all, epochs: 2, optimizer: SGD, loss: sparse_categorical_crossentropy}
outputs: {model: out.keras}
"""
ENDLESS = RECIPE.replace("epochs: 2", "epochs: 100000")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the recipes read."""
    if find_spec("tensorflow") is None:
        pytest.skip("tensorflow is not installed, in which these runs are carried out")
    numbers = np.random.default_rng(1)
    np.savez(tmp_path / "data.npz", x=numbers.normal(size=(32, 8, 8, 1)), y=numbers.integers(0, 5, 32))
    return tmp_path


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command in a process that would take JAX, whether that is installed or not."""
    return subprocess.Popen(
        [sys.executable, "-m", "surgery", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "KERAS_BACKEND": "jax"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def endless(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has come to its third epoch."""
    write_recipe(folder, ENDLESS, classifier())
    with started(folder, "run", "recipe.yaml") as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "epoch 3/" in line:
                break
        yield running


def child_of(parent: int) -> int:
    """The process that carries out the run; a parent may have others, which look through model files."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return next(int(child) for child in children if process.CHILD in Path(f"/proc/{child}/cmdline").read_text())


@pytest.mark.keras
def test_the_backend_of_the_recipe_runs_and_is_locked(folder: Path) -> None:
    write_recipe(folder, RECIPE, classifier())
    with started(folder, "run", "--lock", "recipe.yaml") as running:
        said, progress = running.communicate(timeout=300)
    assert running.returncode == 0, progress
    assert "all: epoch 2/2" in progress
    assert "Trains on tensorflow" in said
    record = json.loads((folder / "runs/test/0001/run.json").read_text())
    assert (record["backend"], "tensorflow" in record["versions"]) == ("tensorflow", True)
    lock = (folder / "test.lock").read_text()
    assert 'backend = "tensorflow"' in lock
    assert "version tensorflow" in lock
    assert '"output variable conv1' in lock


@pytest.mark.keras
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_the_child(
    folder: Path, endless: subprocess.Popen[str], number: signal.Signals, status: int
) -> None:
    endless.send_signal(number)
    _, said = endless.communicate(timeout=200)
    assert endless.returncode == status
    assert "Traceback" not in said
    assert [line.partition(":")[0] for line in said.splitlines() if line.startswith("error[")] == [
        "error[interrupted]" if number == signal.SIGINT else "error[terminated]"
    ]
    assert (folder / "runs/test/0001/last-good.keras").exists()


@pytest.mark.keras
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the child is found in /proc")
def test_a_killed_child_is_told(folder: Path, endless: subprocess.Popen[str]) -> None:
    os.kill(child_of(endless.pid), signal.SIGKILL)
    _, said = endless.communicate(timeout=200)
    assert endless.returncode == 5
    assert "error[run-failed]: the child process that ran on tensorflow was killed by signal 9 (SIGKILL)" in said
    assert not (folder / "out.keras").exists()


@pytest.mark.keras
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the child is found in /proc")
def test_a_child_whose_parent_is_killed_ends_in_order(folder: Path, endless: subprocess.Popen[str]) -> None:
    endless.kill()
    endless.communicate(timeout=200)  # the child holds the same standard error, until it has ended
    assert json.loads((folder / "runs/test/0001/run.json").read_text())["status"] == "failed"
    assert (folder / "runs/test/0001/last-good.keras").exists()


@pytest.mark.keras
def test_python_gets_the_result_and_the_errors_of_a_child(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(process, "backend", lambda: "jax")
    result = surgery.run(surgery.load_recipe(write_recipe(folder, RECIPE, classifier())))
    assert result.document["status"] == "done"
    assert len(result.document["stages"][0]["epochs"]) == 2
    assert keras.models.load_model(result.model).count_params() > 0

    np.savez(folder / "data.npz", x=np.zeros((32, 9, 9, 1)), y=np.zeros(32, int))
    with pytest.raises(DataInvalid, match="has the shape") as refusal:
        surgery.run(surgery.load_recipe(folder / "recipe.yaml"))
    assert refusal.value.location is not None
    assert refusal.value.location.line == 7


def test_a_backend_that_is_not_installed_is_refused_before_anything_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "find_spec", lambda name: None)
    recipe = write_recipe(folder, RECIPE.replace("tensorflow", "torch"), classifier())
    with pytest.raises(ExtraMissing, match="torch is not installed"):
        surgery.run(surgery.load_recipe(recipe))
    assert run(["run", str(recipe)]) == 1
    said = capsys.readouterr().err
    assert f"{recipe}:6:12: error[extra-missing]: backend: torch, and torch is not installed" in said
    assert "pip install 'keras-surgery[torch]'" in said


@pytest.mark.keras
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_run_a_recipe(folder: Path, backend: str) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    recipe = write_recipe(folder, RECIPE.replace("tensorflow", backend), classifier())
    result = surgery.run(surgery.load_recipe(recipe))
    assert result.document["backend"] == backend
    assert np.isfinite(result.document["stages"][0]["epochs"][-1]["metrics"]["loss"])
