from __future__ import annotations

import keras
import numpy as np
import pytest

from surgery.model.spec import LayerSpec, ModelSpec, WeightSpec
from surgery.model.weights import NEW, Averaged, Cast, Fresh, Overlap, Sliced, Stored
from surgery.training.data.examples import ArrayExamples
from surgery.training.guards.ewc import chosen, fisher, moved

pytestmark = pytest.mark.keras

KERNEL, BIAS = Stored("head", "vars/0", (2, 2), "float32"), Stored("head", "vars/1", (2,), "float32")
FRESH = Fresh("Zeros")


def model() -> keras.Model:
    layers = [
        keras.Input((2,)),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dropout(0.5, name="drop"),
        keras.layers.Dense(2, activation="softmax", name="head"),
    ]
    made = keras.Sequential(layers)
    made.layers[-1].set_weights([np.array([[1.0, -1.0], [0.5, 2.0]]), np.array([0.1, -0.2])])
    made.layers[-1].kernel.regularizer = keras.regularizers.L2(10.0)
    return made


def spec() -> ModelSpec:
    """As much of the model as is asked for."""
    head = (WeightSpec("vars/0", "kernel", (2, 2), "float32", True, KERNEL),)
    layers = [
        LayerSpec("norm", "BatchNormalization"),
        LayerSpec("drop", "Dropout"),
        LayerSpec("head", "Dense", weights=head),
    ]
    return ModelSpec("Sequential", "model", tuple(layers), None, None)


def by_hand(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of squared gradients of the log-likelihood of a softmax, for kernel and bias."""
    x = x / np.sqrt(1 + 1e-3)  # the normalization, in inference, before it has seen any data
    logits = x @ np.array([[1.0, -1.0], [0.5, 2.0]]) + np.array([0.1, -0.2])
    odds = np.exp(logits)
    error = odds / odds.sum(axis=1, keepdims=True) - np.eye(2)[y]
    return np.mean([np.outer(a, e) ** 2 for a, e in zip(x, error, strict=True)], axis=0), np.mean(error**2, axis=0)


def test_the_fisher_information_is_the_one_computed_by_hand() -> None:
    x, y = np.array([[0.3, -0.2], [1.0, 0.5], [-0.7, 0.1]], "float32"), np.array([0, 1, 1])
    of = model()
    before = [variable.numpy().copy() for variable in of.weights]
    found = fisher(of, spec(), ArrayExamples((x,), (y,), ("x",)), "sparse_categorical_crossentropy")
    kernel, bias = by_hand(x, y)
    np.testing.assert_allclose(found["head", "vars/0"], kernel, atol=1e-6)
    np.testing.assert_allclose(found["head", "vars/1"], bias, atol=1e-6)
    assert set(found) == {("head", "vars/0"), ("head", "vars/1"), ("norm", "vars/0"), ("norm", "vars/1")}
    assert all(a.tobytes() == variable.numpy().tobytes() for a, variable in zip(before, of.weights, strict=True))


def test_rows_of_an_embedding_that_come_twice_count_with_their_sum() -> None:
    layers = keras.layers
    of = keras.Sequential(
        [
            keras.Input((2,), dtype="int32"),
            layers.Embedding(3, 1, name="words"),
            layers.Flatten(),
            layers.Dense(1, name="sum"),
        ]
    )
    of.layers[0].set_weights([np.array([[1.0], [2.0], [3.0]])])
    of.layers[-1].set_weights([np.ones((2, 1)), np.zeros(1)])
    words = LayerSpec("words", "Embedding", weights=())
    parts = ModelSpec("Sequential", "model", (words,), None, None)
    data = ArrayExamples((np.array([[1, 1]], "int32"),), (np.array([[0.0]], "float32"),), ("x",))
    # The output is 4 and the target 0: the gradient of the squared error is 8, and row 1 has it twice.
    np.testing.assert_allclose(fisher(of, parts, data, "mse")["words", "vars/0"], [[0], [256], [0]], atol=1e-4)


def test_information_goes_where_the_values_go() -> None:
    information = {("head", "vars/0"): np.array([[1.0, 2.0], [3.0, 4.0]], "float32")}
    cases = [
        (KERNEL, (2, 2), [[1, 2], [3, 4]]),
        (Overlap(KERNEL, FRESH), (2, 3), [[1, 2, 0], [3, 4, 0]]),
        (Sliced(KERNEL, ((1, (1, NEW, 0)),), "mean"), (2, 3), [[2, 0, 1], [4, 0, 3]]),
        (Cast(Sliced(KERNEL, ((1, (1, NEW)),), FRESH), "float32", "float16"), (2, 2), [[2, 0], [4, 0]]),
        (FRESH, (2, 2), [[0, 0], [0, 0]]),
        (Averaged(((KERNEL, 1.0),)), (2, 2), [[1, 2], [3, 4]]),
    ]
    for source, shape, wanted in cases:
        found = moved(information, source, shape)
        np.testing.assert_array_equal(found, np.array(wanted, "float32"))
        assert found.dtype == np.float32


def test_a_variable_that_no_gradient_reaches_has_no_information() -> None:
    np.testing.assert_array_equal(moved({}, BIAS, (2,)), [0, 0])


def test_examples_are_chosen_by_the_seed() -> None:
    data = ArrayExamples((np.arange(50.0)[:, None],), (np.arange(50),), ("x",))
    one, again, other = (chosen(data, 10, seed).targets[0].tolist() for seed in (1, 1, 2))
    assert one == again == sorted(set(one))
    assert one != other
    assert len(chosen(data, 99, 1)) == 50
