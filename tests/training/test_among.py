from __future__ import annotations

import keras
import numpy as np
import pytest

from surgery.errors import DataInvalid
from surgery.training.among import among
from tests.training import small

pytestmark = pytest.mark.keras

X = np.random.default_rng(0).normal(size=(20, 8)).astype("float32")


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_the_answer_is_the_best_of_the_chosen_classes(activation: str) -> None:
    model = small.model(units=5, activation=activation)
    whole = keras.ops.convert_to_numpy(model(X))
    some = keras.ops.convert_to_numpy(among(model, (1, 3))(X))
    np.testing.assert_array_equal(some[:, [1, 3]], whole[:, [1, 3]])
    assert set(some.argmax(axis=1)) <= {1, 3}
    np.testing.assert_array_equal(some.argmax(axis=1) == 3, whole[:, 3] > whole[:, 1])


def test_probabilities_are_those_among_the_chosen_classes() -> None:
    model, labels = small.model(units=5), np.array([1, 3] * 10)
    whole = keras.ops.convert_to_numpy(model(X))[:, [1, 3]]
    chosen = whole / whole.sum(axis=1, keepdims=True)
    wanted = -np.log(chosen[np.arange(20), (labels == 3).astype(int)]).mean()
    part = among(model, (1, 3))
    part.compile(loss=small.LOSS)
    assert part.evaluate(X, labels, verbose=0) == pytest.approx(wanted, abs=1e-5)


def test_without_a_choice_the_model_is_itself() -> None:
    model = small.model()
    assert among(model, None) is model


def test_classes_that_a_smaller_model_does_not_have_are_left_out() -> None:
    model = small.model(units=3)
    np.testing.assert_array_equal(among(model, (0, 1, 2, 7))(X), model(X))
    with pytest.raises(DataInvalid, match="has 3 units, and so 1 of the classes"):
        among(model, (2, 7))


def test_one_output_is_needed() -> None:
    model = small.model()
    two = keras.Model(model.inputs, [*model.outputs, model.layers[0].output])
    with pytest.raises(DataInvalid, match="2 outputs"):
        among(two, (0, 1))
