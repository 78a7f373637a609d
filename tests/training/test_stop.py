"""A run that is told to stop: it finishes the step, keeps its last good weights, and says so; the second signal leaves at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from surgery.model.archive import open_weights
from surgery.training.resuming.bundle import read_head
from tests.networks import classifier
from tests.recipes_text import write_recipe

LONG = """\
training:
  data: {train: {npz: data.npz, x: x, y: y}, batch_size: 8}
  stages:
    - {name: all, epochs: 100000, optimizer: SGD, loss: sparse_categorical_crossentropy}
outputs: {model: out.keras}
"""

TWICE = """
import os, signal, sys, time
from surgery.execution.stopping import deferred, obey_signals, raise_if_asked
obey_signals()
with deferred():
    print("ready", flush=True)
    time.sleep(0.1)
    while True:
        time.sleep(60)
"""


@pytest.mark.keras
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_ends_a_training_in_order(tmp_path: Path, number: int, status: int) -> None:
    numbers = np.random.default_rng(1)
    np.savez(tmp_path / "data.npz", x=numbers.normal(size=(32, 8, 8, 1)), y=numbers.integers(0, 5, 32))
    write_recipe(tmp_path, LONG, classifier())
    process = subprocess.Popen(
        [sys.executable, "-m", "surgery", "run", "recipe.yaml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 3/" in line:
            break
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == status
    assert "Traceback" not in said
    code, word = ("interrupted", "interrupted") if number == signal.SIGINT else ("terminated", "told to stop")
    (line,) = (line for line in said.splitlines() if line.startswith("error["))
    assert line.startswith(f"error[{code}]: stage 'all', epoch ")
    assert line.endswith(f": {word}")
    assert said.endswith("  fix:      surgery run recipe.yaml --resume\n")
    folder = tmp_path / "runs/test/0001"
    assert str(read_head(folder / "checkpoint")["where"]) in line
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"
    with open_weights(folder / "last-good.keras") as kept:
        assert all(np.isfinite(kept[name]).all() for name in kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "model.keras", "recipe.yaml", "runs"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_leaves_at_once(number: int, status: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", TWICE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=30) == status
    process.stdout.close()


SHORT = LONG.replace("epochs: 100000", "epochs: 2")
AFTERWARDS = """
import os, signal, sys
import surgery
from surgery.cli.main import main
from surgery.execution.backend import load_keras
load_keras()
from surgery.training import progress
def stop(self, *arguments):
    os.kill(os.getpid(), signal.SIGTERM)
progress.Lines.__exit__ = stop
main()
"""


@pytest.mark.keras
def test_a_signal_between_training_and_evaluation_keeps_the_trained_weights(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1)
    np.savez(tmp_path / "data.npz", x=numbers.normal(size=(16, 8, 8, 1)), y=numbers.integers(0, 5, 16))
    write_recipe(tmp_path, SHORT, classifier())
    done = subprocess.run(
        [sys.executable, "-c", AFTERWARDS, "run", "recipe.yaml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 143
    assert "error[terminated]: after the training: told to stop" in done.stderr
    assert "Traceback" not in done.stderr
    record = json.loads((tmp_path / "runs/test/0001/run.json").read_text())
    assert len(record["stages"][0]["epochs"]) == 2
    assert (tmp_path / "runs/test/0001/last-good.keras").exists()
    assert not (tmp_path / "out.keras").exists()
