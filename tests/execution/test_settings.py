"""What a load or a run sets in Keras is as before when it is over."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.saving import serialization_lib

import surgery
from surgery.training.progress import Quiet
from surgery.training.run import run
from tests.networks import classifier
from tests.recipes_text import plan_of

pytestmark = pytest.mark.keras

BODY = """\
operations:
  - op: replace
    layers: predictions
    with: [{Dense: {units: 3, activation: softmax, name: letters}}]
"""
TRAINING = """\
training:
  precision: mixed_float16
  data: {train: {npz: data.npz, x: x, y: y}, batch_size: 8}
  stages:
    - {name: head, epochs: 1, optimizer: SGD, loss: sparse_categorical_crossentropy}
"""


def settings() -> tuple[object, ...]:
    return (
        keras.config.epsilon(),
        keras.config.floatx(),
        keras.config.dtype_policy().name,
        keras.config.image_data_format(),
        serialization_lib.in_safe_mode(),
    )


def test_applying_leaves_keras_as_it_was(tmp_path: Path) -> None:
    before = settings()
    model = surgery.apply(plan_of(tmp_path, BODY))
    assert model.get_layer("letters").units == 3
    assert settings() == before


def test_a_run_leaves_keras_as_it_was(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1)
    np.savez(tmp_path / "data.npz", x=numbers.normal(size=(16, 8, 8, 1)), y=numbers.integers(0, 3, 16))
    plan = plan_of(tmp_path, BODY + TRAINING, classifier())
    before = settings()
    run(plan, progress=Quiet())
    assert settings() == before
