"""Runs that are killed at random moments and resumed: the same model, bit by bit."""

from __future__ import annotations

import json
import random
import shutil
import time
from itertools import count, takewhile
from pathlib import Path

import numpy as np
import pytest

from tests.crash.test_kills import finished, started
from tests.recipes_text import write_recipe
from tests.training import small

KILLS = 30
RECIPE = """\
operations:
  - {op: freeze, layers: {to: norm}}
training:
  data: {train: {npz: data.npz, x: x, y: y}, validation_split: 0.25, batch_size: 8}
  stages:
    - name: head
      epochs: 8
      optimizer: {Adam: {learning_rate: 0.01}}
      loss: sparse_categorical_crossentropy
      metrics: [accuracy]
      callbacks:
        - EarlyStopping: {monitor: val_loss, patience: 2, restore_best_weights: true}
        - ReduceLROnPlateau: {monitor: val_loss, patience: 1}
    - name: all
      operations: [{op: unfreeze, layers: {to: norm}}]
      epochs: 8
      optimizer: {AdamW: {learning_rate: 0.001, use_ema: true, gradient_accumulation_steps: 2}}
      loss: sparse_categorical_crossentropy
      warmup: {epochs: 1}
      callbacks: [{CSVLogger: {filename: all.csv}}]
    - name: settle
      epochs: 8
      optimizer: {SGD: {learning_rate: {CosineDecay: {initial_learning_rate: 0.01, decay_steps: 100}}, momentum: 0.9}}
      loss: sparse_categorical_crossentropy
evaluation:
  - {name: validation, data: validation, metrics: [accuracy]}
outputs: {model: out.keras}
"""


@pytest.mark.crash
@pytest.mark.keras
@pytest.mark.timeout(7200)
def test_kills_of_a_run_that_is_resumed(tmp_path: Path) -> None:
    moments, numbers = random.Random(30), np.random.default_rng(1)
    y = numbers.integers(0, 3, 2000)
    x = numbers.normal(size=(2000, 16))
    x[np.arange(2000), y] += 1
    np.savez(tmp_path / "data.npz", x=x, y=y)
    small.model(features=16).save(tmp_path / "model.keras")
    recipe = write_recipe(tmp_path, RECIPE)
    output = tmp_path / "out.keras"
    finished(tmp_path, "run", recipe.name)
    whole = output.read_bytes()
    record = json.loads((tmp_path / "runs/test/0001/run.json").read_text())
    seconds = sum(stage["seconds"] for stage in record["stages"])
    kills: list[str] = []
    for attempt in count():
        if len(kills) == KILLS:
            break
        output.unlink()
        shutil.rmtree(tmp_path / "runs")
        # One that ended before its kill has left stages that are done: the next begins with none.
        own = {"XDG_CACHE_HOME": str(tmp_path / f"cache{attempt}")}
        process = started(tmp_path, "run", recipe.name, environment=own)
        assert process.stderr is not None
        before = list(takewhile(lambda line: b"head: epoch 1/" not in line, process.stderr))
        assert process.poll() is None, b"".join(before).decode()
        time.sleep(moments.uniform(0, seconds))
        process.kill()
        process.communicate()
        if output.exists():
            assert output.read_bytes() == whole
            continue
        resumed = started(tmp_path, "run", recipe.name, "--resume", environment=own)
        said = resumed.communicate()[1].decode()
        assert resumed.returncode == 0, said
        kills += [line for line in said.splitlines() if line.startswith(("resumed in", "nothing to resume"))]
        assert output.read_bytes() == whole, kills[-1]
        print(len(kills), kills[-1], flush=True)
