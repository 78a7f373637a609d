"""Processes that are killed at random moments: no artifact is ever half, nothing is held, and the next run works."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from surgery.model.archive.staging import leftovers
from tests.networks import classifier
from tests.recipes_text import write_recipe

OLD = "operations:\n  - {op: freeze, layers: conv2}\n"
NEW = "operations:\n  - {op: rename, layers: {dense: denser}}\n  - {op: freeze, layers: conv1}\n"


def started(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "surgery", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | dict(environment or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finished(folder: Path, *arguments: str) -> float:
    """Runs a command to its end, and says how long it took."""
    began = time.monotonic()
    process = started(folder, *arguments)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()
    return time.monotonic() - began


def killed(folder: Path, seconds: float, *arguments: str) -> None:
    process = started(folder, *arguments)
    time.sleep(seconds)
    process.kill()
    process.communicate()


def artifacts(folder: Path) -> tuple[bytes, bytes, float]:
    """The old and the new one, and how long making the new one takes."""
    output = folder / "out.keras"
    recipe = write_recipe(folder, OLD, classifier())
    finished(folder, "apply", recipe.name, "-o", output.name)
    old = output.read_bytes()
    write_recipe(folder, NEW)
    seconds = finished(folder, "apply", recipe.name, "-o", output.name)
    return old, output.read_bytes(), seconds


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=[pytest.mark.crash, pytest.mark.timeout(1800)])])
def test_kills_during_apply(tmp_path: Path, kills: int) -> None:
    moments = random.Random(kills)
    old, new, seconds = artifacts(tmp_path)
    output = tmp_path / "out.keras"
    ends = {"old": 0, "new": 0}
    for _ in range(kills):
        output.write_bytes(old)
        # Most of the time goes into starting Python; the writing is at the end.
        killed(tmp_path, seconds * moments.triangular(0.1, 1.1, 0.95), "apply", "recipe.yaml", "-o", "out.keras")
        found = output.read_bytes()
        assert found in (old, new)
        ends["old" if found == old else "new"] += 1
    finished(tmp_path, "apply", "recipe.yaml", "-o", "out.keras")
    assert output.read_bytes() == new
    finished(tmp_path, "gc")
    assert list(leftovers(tmp_path)) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "out.keras", "recipe.yaml"]
    print(f"{kills} kills: {ends}")


TRAINING = """\
operations:
  - op: replace
    layers: predictions
    with: [{Dense: {units: 3, activation: softmax, name: letters}}]
training:
  data: {train: {npz: data.npz, x: x, y: y}, batch_size: 8}
  stages:
    - {name: head, epochs: 2, optimizer: SGD, loss: sparse_categorical_crossentropy}
outputs: {model: out.keras}
"""


@pytest.mark.crash
@pytest.mark.keras
@pytest.mark.timeout(1800)
def test_kills_during_run(tmp_path: Path) -> None:
    moments = random.Random(1)
    random_numbers = np.random.default_rng(1)
    np.savez(tmp_path / "data.npz", x=random_numbers.normal(size=(32, 8, 8, 1)), y=random_numbers.integers(0, 3, 32))
    write_recipe(tmp_path, TRAINING, classifier())
    output = tmp_path / "out.keras"
    seconds = finished(tmp_path, "run", "recipe.yaml", "--no-cache")
    whole = output.read_bytes()
    output.write_bytes(b"old")
    for _ in range(10):
        killed(tmp_path, seconds * moments.triangular(0.3, 1.05, 0.95), "run", "recipe.yaml", "--no-cache")
        assert output.read_bytes() in (b"old", whole)
        for record in tmp_path.glob("runs/test/*/run.json"):
            assert json.loads(record.read_text())["status"] == "done"
    finished(tmp_path, "run", "recipe.yaml", "--no-cache")
    assert output.read_bytes() == whole
