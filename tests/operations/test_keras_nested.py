"""Channels in nested models, and in models that are called twice, as Keras sees the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery import api
from surgery.execution.commit import apply_to_file
from surgery.planning import Plan
from surgery.recipe import load_recipe
from tests.recipes_text import HEAD

pytestmark = pytest.mark.keras

X = np.random.default_rng(0).normal(size=(4, 8, 8, 2)).astype("float32")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """img -> encoder (c1, c2) -> flatten -> head."""
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 2), name="x")
    inside = keras.layers.Conv2D(6, 3, name="c2")(keras.layers.Conv2D(4, 3, activation="relu", name="c1")(x))
    image = keras.Input((8, 8, 2), name="img")
    inner = keras.Model(x, inside, name="encoder")(image)
    folder = tmp_path_factory.mktemp("encoder")
    keras.Model(image, keras.layers.Dense(3, name="head")(keras.layers.Flatten()(inner))).save(folder / "model.keras")
    return folder


def applied(folder: Path, body: str, out: Path) -> tuple[Plan, Any]:
    recipe = folder / "recipe.yaml"
    recipe.write_text(f"{HEAD}operations:\n  - {body}\n")
    plan = api.plan(load_recipe(recipe))
    apply_to_file(plan, out / "out.keras")
    return plan, keras.models.load_model(out / "out.keras")


def test_pruning_inside_reaches_the_layers_outside(encoder: Path, tmp_path: Path) -> None:
    plan, model = applied(encoder, "{op: prune, layers: [encoder/c1, encoder/c2], fraction: 0.5}", tmp_path)
    assert model.get_layer("head").kernel.shape == (4 * 4 * 3, 3)
    assert model.count_params() == plan.spec.parameters
    assert model(X).shape == (4, 3)


def test_input_channels_reach_the_layers_inside(encoder: Path, tmp_path: Path) -> None:
    _, model = applied(encoder, "{op: resize, layer: img, input_channels: 3, new: zero}", tmp_path)
    old = keras.models.load_model(encoder / "model.keras")
    wide = np.concatenate([X, X[..., :1]], axis=-1)
    assert np.allclose(np.asarray(model(wide)), np.asarray(old(X)), atol=1e-5)


def test_lora_inside_trains_the_halves_alone(encoder: Path, tmp_path: Path) -> None:
    plan, model = applied(encoder, "{op: lora, layers: encoder/c1, rank: 2}", tmp_path)
    old = keras.models.load_model(encoder / "model.keras")
    assert np.array_equal(np.asarray(model(X)), np.asarray(old(X)))
    built = api.apply(plan)
    assert "c1/kernel" not in [variable.path for variable in built.trainable_variables]
    assert sum(int(np.prod(v.shape)) for v in built.trainable_variables) == plan.spec.trainable_parameters


def test_a_model_that_is_called_twice(tmp_path: Path) -> None:
    layers = keras.layers
    left, right = keras.Input((8, 8, 2), name="left"), keras.Input((8, 8, 2), name="right")
    shared = keras.Sequential(
        [keras.Input((8, 8, 2)), layers.Conv2D(4, 3, name="conv"), layers.GlobalAveragePooling2D()], name="shared"
    )
    both = layers.Concatenate()([shared(left), shared(right)])
    keras.Model([left, right], layers.Dense(2, name="head")(both)).save(tmp_path / "model.keras")
    plan, model = applied(tmp_path, "{op: prune, layers: shared/conv, channels: [1]}", tmp_path)
    old = keras.models.load_model(tmp_path / "model.keras")
    kernel = np.asarray(old.get_layer("head").kernel)
    assert np.array_equal(np.asarray(model.get_layer("head").kernel), kernel[[0, 2, 3, 4, 6, 7]])
    assert model.count_params() == plan.spec.parameters
