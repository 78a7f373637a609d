"""Evaluations that compute the frozen layers once measure what the whole models measure, bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import surgery
from surgery.model.spec import TensorRef
from surgery.planning.prefix import Prefix
from surgery.training.frozen_prefix import shared
from surgery.training.frozen_prefix.agreement import Agreement
from surgery.training.frozen_prefix.halves import halves
from surgery.training.progress import Quiet
from surgery.training.run import run

pytestmark = pytest.mark.keras

RECIPE = """\
surgery: 1
name: small
model: {path: base.keras}
operations:
  - op: replace
    layers: head
    with:
      - Dense: {units: 6, activation: relu, name: hidden}
      - BatchNormalization: {name: settled}
      - Dense: {units: 4, activation: softmax, name: wider}
  - {op: freeze, layers: {to: pool}}
training:
  data: {train: {npz: data.npz, x: x, y: y}, validation_split: 0.25, batch_size: 16}
  stages:
    - {name: head, epochs: 1, optimizer: Adam, loss: sparse_categorical_crossentropy}
    - {name: more, epochs: 1, optimizer: SGD, loss: sparse_categorical_crossentropy}
evaluation:
  - {name: old, data: {npz: data.npz, x: x, y: y}, metrics: [sparse_categorical_crossentropy, accuracy]}
  - {name: new, data: {npz: data.npz, x: x, y: y}, metrics: [sparse_categorical_crossentropy]}
outputs: {model: out.keras}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((8, 8, 1), name="image")
    conv = layers.BatchNormalization(name="norm")(layers.Conv2D(6, 3, activation="relu", name="conv")(image))
    pool = layers.GlobalAveragePooling2D(name="pool")(conv)
    made = keras.Model(image, layers.Dense(3, activation="softmax", name="head")(pool))
    made.save(tmp_path / "base.keras")
    generator = np.random.default_rng(5)
    np.savez(tmp_path / "data.npz", x=generator.normal(size=(70, 8, 8, 1)), y=generator.integers(0, 3, 70))
    return tmp_path


def carried_out(folder: Path, text: str, *, cache: bool = True) -> dict[str, Any]:
    (folder / "recipe.yaml").write_text(text)
    return run(surgery.plan(surgery.load_recipe(folder / "recipe.yaml")), progress=Quiet(), cache=cache).document


def measured(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    ends = [(one["evaluation"], one["metric"], one["before"], one["after"]) for one in document["evaluation"]]
    return [*ends, *(stage["evaluation"] for stage in document["stages"])]


def test_metrics_are_those_of_the_whole_models_bit_by_bit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = carried_out(folder, RECIPE, cache=False)
    assert whole["spared"] == []
    monkeypatch.setattr(shared, "WORTH", 0)
    parted = carried_out(folder, RECIPE)
    assert measured(parted) == measured(whole)
    assert "3 frozen layers for 70 examples computed once in " in parted["spared"][0]
    assert "read " in parted["spared"][0]
    assert "3 frozen layers for 70 examples" in (folder / "runs/small/0002/report.md").read_text()


def test_a_model_may_leave_a_cut_tensor_unread(folder: Path) -> None:
    model = keras.models.load_model(folder / "base.keras")
    parts = halves(model, Prefix((TensorRef("conv"), TensorRef("pool")), ("conv", "norm", "pool"), ("",)))
    x = np.load(folder / "data.npz")["x"][:5].astype("float32")
    assert np.array_equal(model.predict_on_batch(x), parts.tail.predict_on_batch(parts.prefix.predict_on_batch([x])))


def test_it_is_left_where_it_costs_more_than_it_saves(folder: Path) -> None:
    assert carried_out(folder, RECIPE)["spared"] == []


def test_it_is_left_where_it_gives_other_bits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "WORTH", 0)
    monkeypatch.setattr(shared, "agreement", lambda *_: Agreement(False, 1e-8, 1e-5, 32))
    assert carried_out(folder, RECIPE)["spared"] == []
