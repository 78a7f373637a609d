from __future__ import annotations

import keras
import numpy as np
import pytest

from surgery.model.weights import NEW
from surgery.training.guards.l2_sp import carried_mask
from surgery.training.guards.penalty import Penalty, added, anchor
from surgery.training.layers import set_trainable

pytestmark = pytest.mark.keras

RATE, STRENGTH = 0.1, 3.0


def model(kernel: tuple[float, float] = (0.5, -1.0)) -> keras.Model:
    """Two parameters: the output is their sum, weighted by the inputs."""
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False, name="line")])
    made.layers[0].set_weights([np.array(kernel, "float32")[:, None]])
    return made


def step(of: keras.Model, penalty: Penalty) -> np.ndarray:
    """One step of SGD on the example (1, 2) with the target 3."""
    of.compile(keras.optimizers.SGD(RATE), "mse")
    with added([penalty]):
        of.fit(np.array([[1.0, 2.0]]), np.array([[3.0]]), verbose=0)
    return of.layers[0].get_weights()[0][:, 0]


def held(of: keras.Model, start: tuple[float, float], importance: np.ndarray | None = None) -> Penalty:
    variable = of.layers[0].kernel
    now = of.layers[0].get_weights()
    of.layers[0].set_weights([np.array(start, "float32")[:, None]])
    penalty = Penalty(0, STRENGTH, (anchor(variable, importance),))
    of.layers[0].set_weights(now)
    return penalty


def test_one_step_is_the_one_computed_by_hand() -> None:
    of = model()
    penalty = held(of, (0.0, 1.0))
    error = 0.5 * 1 - 1.0 * 2 - 3
    gradient = 2 * error * np.array([1, 2]) + STRENGTH * (np.array([0.5, -1.0]) - np.array([0.0, 1.0]))
    assert penalty.value() == pytest.approx(STRENGTH / 2 * (0.5**2 + 2**2), abs=1e-6)
    np.testing.assert_allclose(step(of, penalty), np.array([0.5, -1.0]) - RATE * gradient, atol=1e-6)


def test_what_counts_less_is_held_less() -> None:
    of = model()
    fisher = np.array([[0.25], [0.0]])
    penalty = held(of, (0.0, 1.0), fisher)
    gradient = 2 * -4.5 * np.array([1, 2]) + STRENGTH * fisher[:, 0] * np.array([0.5, -2.0])
    assert penalty.value() == pytest.approx(STRENGTH / 2 * 0.25 * 0.5**2, abs=1e-6)
    np.testing.assert_allclose(step(of, penalty), np.array([0.5, -1.0]) - RATE * gradient, atol=1e-6)


def test_several_penalties_and_the_regularizer_of_the_layer_add_up() -> None:
    of = model()
    of.layers[0].kernel.regularizer = keras.regularizers.L2(0.5)
    both = [held(of, (0.0, 0.0)), held(of, (1.0, 0.0))]
    with added(both):
        told = [float(keras.ops.convert_to_numpy(loss)) for loss in of.losses]
    assert sum(told) == pytest.approx(0.5 * 1.25 + STRENGTH / 2 * (1.25 + 1.25), abs=1e-6)


def test_regularizers_are_put_back_even_when_training_fails() -> None:
    of = model()
    kernel = of.layers[0].kernel
    own = kernel.regularizer = keras.regularizers.L2(0.5)
    config = of.get_config()
    with pytest.raises(RuntimeError), added([held(of, (0.0, 0.0)), held(of, (0.0, 0.0))]):  # noqa: PT012
        assert kernel.regularizer is not own
        assert of.get_config() == config
        raise RuntimeError
    assert kernel.regularizer is own
    assert len(of.losses) == 1


def test_a_frozen_variable_adds_nothing() -> None:
    of = model()
    set_trainable(of, [("line", False)])
    with added([held(of, (9.0, 9.0))]):
        assert of.losses == []


def test_a_model_that_shares_the_variable_is_held_too() -> None:
    of = model()
    tail = keras.Model(of.inputs, of.outputs)
    with added([held(of, (0.0, 0.0))]):
        assert float(keras.ops.convert_to_numpy(tail.losses[0])) == pytest.approx(STRENGTH / 2 * 1.25, abs=1e-6)


def test_rows_that_begin_anew_are_masked() -> None:
    assert carried_mask(((0, 1), (0,))) is None
    np.testing.assert_array_equal(carried_mask(((0, NEW, 1), (1, 0, NEW))), [[1, 1, 0], [0, 0, 0], [1, 1, 0]])
