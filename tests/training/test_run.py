"""Whole runs, from a recipe to a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import surgery
from surgery.errors import GateFailed, RunFailed, SurgeryError
from surgery.training.progress import Quiet
from surgery.training.run import RunResult, run
from tests.training import small

pytestmark = pytest.mark.keras

RECIPE = """\
surgery: 1
name: small
seed: 7
model: {path: base.keras}
operations:
  - op: replace
    layers: head
    with:
      - Dense: {units: 5, activation: softmax, name: wider}
    weights: overlap
  - {op: freeze, layers: {to: norm}}
training:
  data:
    train: {npz: data.npz, x: x, y: y}
    validation_split: 0.25
    batch_size: 16
  stages:
    - name: head
      epochs: 2
      optimizer: {Adam: {learning_rate: 0.01}}
      loss: sparse_categorical_crossentropy
      metrics: [accuracy]
    - name: all
      operations: [{op: unfreeze, layers: {to: norm}}]
      epochs: 1
      optimizer: {SGD: {learning_rate: 0.001}}
      loss: sparse_categorical_crossentropy
      metrics: [accuracy]
evaluation:
  - {name: old classes, data: {npz: data.npz, x: x_old, y: y_old}, max_drop: {accuracy: 1.0}}
  - {name: validation, data: validation}
outputs: {model: build/small.keras}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    small.model().save(tmp_path / "base.keras")
    data, old = small.examples(96, units=5), small.examples(32, units=3)
    np.savez(tmp_path / "data.npz", x=data.x[0], y=data.y[0], x_old=old.x[0], y_old=old.y[0])
    return tmp_path


def carried_out(folder: Path, **changes: str) -> RunResult:
    text = RECIPE
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    (folder / "recipe.yaml").write_text(text)
    plan = surgery.plan(surgery.load_recipe(folder / "recipe.yaml"))
    return run(plan, progress=Quiet())


def change(old: str, new: str) -> Any:
    return {"change": (old, new)}


def test_a_run_leaves_the_model_and_the_record_of_it(folder: Path) -> None:
    result = carried_out(folder)
    assert result.model == folder / "build/small.keras"
    assert sorted(path.name for path in result.folder.iterdir()) == [
        "curves.svg",
        "report.html",
        "report.md",
        "run.json",
    ]
    assert result.folder == folder / "build/runs/small/0001"
    document = json.loads((result.folder / "run.json").read_text())
    assert document["status"] == "done"
    assert [len(stage["epochs"]) for stage in document["stages"]] == [2, 1]
    assert set(document["digests"]) == {"recipe", "source model", "npz data.npz", "model"}
    assert {one["evaluation"]: one["before"] is None for one in document["evaluation"]} == {
        "old classes": False,
        "validation": False,
    }
    loaded = keras.models.load_model(result.model)
    assert loaded.get_layer("wider").units == 5
    assert loaded.get_layer("norm").trainable


def test_the_same_recipe_in_two_processes_gives_the_same_bytes(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(RECIPE)
    code = (
        "import sys, surgery\nfrom pathlib import Path\n"
        "surgery.run(surgery.load_recipe(Path('recipe.yaml')), output=Path(sys.argv[1]))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(surgery.__file__).parent.parent), "PYTHONHASHSEED": "random"}
    for name in ("a.keras", "b.keras"):
        subprocess.run([sys.executable, "-c", code, name], cwd=folder, env=environment, check=True, capture_output=True)
    assert (folder / "a.keras").read_bytes() == (folder / "b.keras").read_bytes()


def test_a_failed_gate_leaves_no_model(folder: Path) -> None:
    with pytest.raises(GateFailed) as caught:
        carried_out(
            folder,
            gate=("{accuracy: 1.0}", "{loss: 0.0}"),
            rate=("learning_rate: 0.01", "learning_rate: 10.0"),
        )
    assert caught.value.location is not None
    assert caught.value.location.line == 30
    assert not (folder / "build/small.keras").exists()
    document = json.loads((folder / "build/runs/small/0001/run.json").read_text())
    assert (document["status"], document["outputs"]["model"]) == ("gate-failed", None)


def test_a_run_that_breaks_down_keeps_its_last_good_weights(folder: Path) -> None:
    with pytest.raises(RunFailed, match="stage 'all', epoch 1") as caught:
        carried_out(folder, **change("{SGD: {learning_rate: 0.001}}", "{SGD: {learning_rate: 1.0e+38}}"))
    kept = folder / "build/runs/small/0001/last-good.keras"
    assert str(kept) in str(caught.value.expected)
    assert all(np.isfinite(values).all() for values in small.weights(keras.models.load_model(kept)))
    assert json.loads((kept.parent / "run.json").read_text())["status"] == "failed"
    assert not (folder / "build/small.keras").exists()


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ("units: 5", "units: 4", 14, "labels go up to 4, and 'wider' has 4 units"),
        ("x: x, y: y", "x: x, y: yy", 14, "data.npz has no array 'yy'"),
        ("y: y_old", "y: y_odl", 30, "did you mean 'y_old'?"),
        (
            "metrics: [accuracy]",
            "metrics: [accuracy]\n      callbacks: [{CSVLogger: {filename: /x}}]",
            23,
            "not relative to the folder of the run",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_the_first_step(
    folder: Path, old: str, new: str, line: int, text: str
) -> None:
    with pytest.raises(SurgeryError) as caught:
        carried_out(folder, **change(old, new))
    assert text in str(caught.value)
    assert f"recipe.yaml:{line}:" in str(caught.value)
    assert not (folder / "build").exists()


def test_a_recipe_without_training_or_output_leaves_its_model_in_the_folder(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(
        "surgery: 1\nname: cut\nmodel: {path: base.keras}\noperations:\n  - {op: truncate, after: norm}\n"
    )
    result = run(surgery.plan(surgery.load_recipe(folder / "recipe.yaml")), progress=Quiet())
    assert result.model == folder / "runs/cut/0001/model.keras"
    assert result.document["stages"] == []
    assert not (result.folder / "curves.svg").exists()
