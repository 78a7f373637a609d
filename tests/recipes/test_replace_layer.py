"""The recipe `replace-layer` does what the tutorials' `model.layers[2] = layer` only seems to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgery import api
from surgery.planning import Plan
from surgery.recipe import load_recipe

pytestmark = pytest.mark.keras

OTHERS = ("conv1", "dense", "predictions")


@pytest.fixture
def images(recipes: Path) -> np.ndarray:
    with np.load(recipes / "assets" / "digits.npz") as arrays:
        return np.asarray(arrays["x_test"][:32])


@pytest.fixture
def plan(recipes: Path) -> Plan:
    return api.plan(load_recipe(recipes / "replace-layer" / "new-middle.yaml"))


def loaded(path: Path):
    import keras

    return keras.models.load_model(path, compile=False)


def test_assigning_to_model_layers_does_nothing(recipes: Path, images: np.ndarray) -> None:
    import keras

    model = loaded(recipes / "assets" / "digits.h5")
    before = model.predict(images, verbose=0)
    model.layers[2] = keras.layers.Conv2D(32, 3, padding="same", activation="relu", name="new_conv2")
    assert model.layers[2].name == "conv2"
    assert np.array_equal(model.predict(images, verbose=0), before)


def test_the_plan_takes_effect(recipes: Path, images: np.ndarray, plan: Plan) -> None:
    old, new = loaded(recipes / "assets" / "digits.h5"), api.apply(plan)
    assert new.layers[2].name == "new_conv2"
    assert not np.array_equal(new.predict(images, verbose=0), old.predict(images, verbose=0))


def test_the_new_layer_is_like_the_old_one(recipes: Path, plan: Plan) -> None:
    old = loaded(recipes / "assets" / "digits.h5").get_layer("conv2").get_config()
    new = api.apply(plan).get_layer("new_conv2").get_config()
    differ = {key for key in old if old[key] != new[key]}
    assert differ == {"name", "kernel_initializer"}


def test_every_other_weight_is_bit_identical_before_and_after_training(recipes: Path, plan: Plan) -> None:
    old = loaded(recipes / "assets" / "digits.h5")
    trained = loaded(api.run_plan(plan).model)
    for new in (api.apply(plan), trained):
        for name in OTHERS:
            pairs = zip(old.get_layer(name).get_weights(), new.get_layer(name).get_weights(), strict=True)
            assert all(np.array_equal(ours, theirs) for theirs, ours in pairs)
    assert not np.array_equal(*(model.get_layer("new_conv2").get_weights()[0] for model in (api.apply(plan), trained)))


def test_the_ledger_says_what_is_fresh(plan: Plan) -> None:
    sources = {(line.path, line.variable): line.source for line in plan.ledger}
    assert sources["new_conv2", "kernel"].startswith("fresh, HeNormal, seed")
    assert sources["new_conv2", "bias"].startswith("fresh, Zeros")
    assert all(sources[name, variable] == "kept" for name in OTHERS for variable in ("kernel", "bias"))
