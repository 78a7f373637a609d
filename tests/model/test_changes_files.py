"""Diffs of files that Keras itself saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.api import diff
from surgery.model.archive import open_weights, read_model
from surgery.model.changes import Rename, TrainabilityChange
from surgery.model.fingerprint import file_digest, model_digest

pytestmark = pytest.mark.keras


def _save(path: Path, *, inserted: bool = False, units: int = 3) -> Path:
    """A small classifier; the same seed gives the same weights to the layers that are always there."""
    import keras
    from keras import layers

    def kernel(seed: int) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=seed)

    keras.backend.clear_session()
    inputs = keras.Input((6, 6, 2), name="image")
    x = layers.Conv2D(4, 3, kernel_initializer=kernel(1), activation="relu", name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Flatten(name="flatten")(x)
    if inserted:
        x = layers.Dense(64, kernel_initializer=kernel(2))(x)
    x = layers.Dense(8, kernel_initializer=kernel(3))(x)
    x = layers.Dense(units, kernel_initializer=kernel(4), name="head")(x)
    model = keras.Model(inputs, x, name="net")
    model.save(path)
    return path


def test_saved_twice_is_identical(tmp_path: Path) -> None:
    """The bytes differ (dates, addresses); the model and its digest do not."""
    one, other = _save(tmp_path / "one.keras"), tmp_path / "other.keras"
    import keras

    keras.models.load_model(one).save(other)
    found = diff(one, other)
    assert found.identical, found.to_json()
    assert found.equal_variables == 10
    with open_weights(one) as one_values, open_weights(other) as other_values:
        assert model_digest(read_model(one), one_values) == model_digest(read_model(other), other_values)
    assert len(file_digest(one)) == 64


def test_trained_frozen_and_retitled(tmp_path: Path) -> None:
    import keras

    one, other = _save(tmp_path / "one.keras"), tmp_path / "other.keras"
    model = keras.models.load_model(one)
    model.get_layer("conv").trainable = False
    model.get_layer("head").kernel.assign(model.get_layer("head").kernel * 2)
    model.save(other)
    found = diff(one, other)
    assert found.trainability == (TrainabilityChange("conv", True, False),)
    assert [(weight.path, weight.variable, weight.status) for weight in found.weights] == [
        ("head", "kernel", "changed")
    ]
    statistics = found.weights[0].statistics
    assert statistics is not None
    assert (statistics.relative_norm, statistics.cosine, statistics.share) == pytest.approx((1, 1, 1))
    assert not any((found.added, found.removed, found.changed, found.renamed, found.rewired))


def test_inserted_layer_takes_the_name_of_the_next(tmp_path: Path) -> None:
    found = diff(_save(tmp_path / "one.keras"), _save(tmp_path / "other.keras", inserted=True, units=5))
    assert [entry.path for entry in found.added] == ["dense"]
    assert found.renamed == (Rename("dense", "dense_1", "Dense"),)
    assert [change.path for change in found.changed] == ["head"]
    assert found.removed == ()
