from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from surgery.training.data.check import check_batch_size, check_data, check_stage, facts_of
from surgery.training.data.examples import ArrayExamples
from surgery.training.data.targets import Output, check_targets
from tests.training import small

pytestmark = pytest.mark.keras

FIVE = Output("digits", (None, 5), "softmax")
ONE = Output("answer", (None, 1), "sigmoid")
ONE_HOT = np.eye(5, dtype="float32")


@pytest.mark.parametrize(
    ("target", "output", "loss", "what", "fix"),
    [
        (np.arange(10), FIVE, small.LOSS, "labels go up to 9, and 'digits' has 5 units", "give it units: 10"),
        (np.arange(1, 6), FIVE, small.LOSS, "labels run from 1 to 5", "save the labels less 1"),
        (np.arange(-1, 3), FIVE, small.LOSS, "labels go down to -1", None),
        (np.array([0.5, 1.0]), FIVE, small.LOSS, "not whole numbers", None),
        (ONE_HOT, FIVE, small.LOSS, "look one-hot", "loss: categorical_crossentropy"),
        (np.arange(5), FIVE, "categorical_crossentropy", "class indices", f"loss: {small.LOSS}"),
        (ONE_HOT[:, :3], FIVE, "categorical_crossentropy", "have the shape (5, 3), and 'digits' gives (None, 5)", None),
        (np.arange(3), ONE, "binary_crossentropy", "lie between 0 and 2", None),
        (np.arange(3), FIVE, "binary_crossentropy", "lie between 0 and 2", f"loss: {small.LOSS}"),
        (np.zeros((4, 2)), ONE, "mean_squared_error", "have the shape (4, 2)", None),
        (np.array([0.0, np.nan]), ONE, "mse", "NaN or infinity, first in example 1", None),
        (np.array(["a"]), ONE, "mse", "losses compare numbers", None),
    ],
)
def test_targets_that_do_not_fit(target: Any, output: Output, loss: str, what: str, fix: str | None) -> None:
    error = check_targets(target, output, loss)
    assert error is not None
    assert what in error.what
    assert error.fix == fix


@pytest.mark.parametrize(
    ("target", "output", "loss"),
    [
        (np.arange(5), FIVE, small.LOSS),
        (np.arange(5)[:, None], FIVE, small.LOSS),
        (np.zeros((2, 4, 4)), Output("map", (None, 4, 4, 3), "softmax"), small.LOSS),
        (ONE_HOT, FIVE, "categorical_crossentropy"),
        (np.array([0, 1]), ONE, "binary_crossentropy"),
        (np.array([[0.5]]), ONE, "huber"),
        (np.arange(99), FIVE, None),
    ],
)
def test_targets_that_fit(target: Any, output: Output, loss: str | None) -> None:
    assert check_targets(target, output, loss) is None


def errors(x: np.ndarray, units: int = 3) -> list[str]:
    data = ArrayExamples((x,), (np.zeros(len(x), "int64"),), ("x_train",))
    return [str(error) for error in check_data(data, small.model(units), [small.LOSS], ("training", "data", "train"))]


def test_inputs_that_do_not_fit() -> None:
    assert "has the shape (2, 4), and 'features' takes (8,)" in errors(np.zeros((3, 2, 4), "float32"))[0]
    assert "array.reshape(-1, 8)" in errors(np.zeros((3, 2, 4), "float32"))[0]
    assert "holds string" in errors(np.full((3, 8), "a"))[0]
    broken = np.zeros((5000, 8), "float32")
    broken[4500, 3] = np.inf
    assert "first in example 4500" in errors(broken)[0]
    assert errors(np.zeros((3, 8), "float32")) == []
    assert errors(np.zeros((3, 8, 1), "float32")) == []


def test_every_error_knows_its_place() -> None:
    data = ArrayExamples((np.zeros((3, 4), "float32"),), (np.array([0, 1, 9]),), ("x",))
    found = check_data(data, small.model(), [small.LOSS], ("training", "data", "train"))
    assert [error.field for error in found] == [("training", "data", "train")] * 2


def test_a_batch_that_is_never_full() -> None:
    assert check_batch_size(32, 32, ()) == []
    (error,) = check_batch_size(33, 32, ("training", "data"))
    assert (error.fix, error.field) == ("batch_size: 32", ("training", "data", "batch_size"))


def test_a_loss_against_the_last_activation() -> None:
    logits, probabilities = small.model(activation="linear"), small.model()
    told = small.stage(loss={"SparseCategoricalCrossentropy": {"from_logits": True}})
    assert check_stage(told, logits, True, ()) == []
    assert check_stage(small.stage(), probabilities, True, ()) == []
    (error,) = check_stage(small.stage(), logits, True, ("training", "stages", 1))
    assert error.field == ("training", "stages", 1, "loss")
    assert error.fix == "loss: {SparseCategoricalCrossentropy: {from_logits: true}}"
    (error,) = check_stage(told, probabilities, True, ())
    assert error.fix == "loss: sparse_categorical_crossentropy"
    softmax = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Softmax()])
    assert check_stage(small.stage(), softmax, True, ()) == []


@pytest.mark.parametrize("callback", ["EarlyStopping", "ReduceLROnPlateau"])
def test_a_callback_that_watches_what_nobody_measures(callback: str) -> None:
    stage = small.stage(callbacks=({callback: {"patience": 1}},))
    (error,) = check_stage(stage, small.model(), False, ("training", "stages", 0))
    assert (error.fix, error.field[-2:]) == ("monitor: loss", ("callbacks", 0))
    assert check_stage(stage, small.model(), True, ()) == []


def test_facts_count_the_classes() -> None:
    data = ArrayExamples((np.zeros((3, 2)),), (np.array([1, 0, 1]),), ("x",))
    assert (facts_of(data).examples, facts_of(data).classes) == (3, {0: 1, 1: 2})
