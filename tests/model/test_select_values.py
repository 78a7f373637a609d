"""Values of a config, as a person writes them and as Keras stores them."""

from __future__ import annotations

from typing import Any

import pytest

from surgery.model.select.values import agrees

HE = {"module": "keras.initializers", "class_name": "HeNormal", "config": {"seed": 3}, "registered_name": None}
RELU = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}
POLICY = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}, "registered_name": None}
L2 = {
    "module": "keras.regularizers",
    "class_name": "L2",
    "config": {"l2": 0.009999999776482582},
    "registered_name": None,
}


@pytest.mark.parametrize(
    ("wanted", "stored", "key"),
    [
        ("relu", "relu", "activation"),
        ("relu", RELU, "activation"),
        (None, "linear", "activation"),
        (None, None, "bias_constraint"),
        (3, 3, ""),
        (3, [3, 3], "kernel_size"),
        (3, (3, 3), "kernel_size"),
        ([3, 1], (3, 1), "kernel_size"),
        (0.1, 0.10000000149011612, "rate"),
        (1, 1.0, ""),
        (False, False, "use_bias"),
        ("he_normal", HE, "kernel_initializer"),
        ("HeNormal", HE, "kernel_initializer"),
        ({"HeNormal": {"seed": 3}}, HE, "kernel_initializer"),
        ({"HeNormal": None}, HE, "kernel_initializer"),
        ({"class_name": "HeNormal"}, HE, "kernel_initializer"),
        ({"L2": {"l2": 0.01}}, L2, "kernel_regularizer"),
        ("mixed_float16", POLICY, "dtype"),
        ({"a": 1}, {"a": 1, "b": 2}, ""),
    ],
)
def test_agrees(wanted: Any, stored: Any, key: str) -> None:
    assert agrees(wanted, stored, key)


@pytest.mark.parametrize(
    ("wanted", "stored", "key"),
    [
        ("relu", "tanh", "activation"),
        ("function", "relu", "activation"),
        (None, "linear", "data_format"),
        (None, "relu", "activation"),
        (3, [3, 1], "kernel_size"),
        (3, [], "kernel_size"),
        (1, True, "use_bias"),
        (True, 1, "units"),
        (True, [True, True], ""),
        ([3], [3, 3], "kernel_size"),
        (0.1, 0.2, "rate"),
        ("glorot_uniform", HE, "kernel_initializer"),
        ({"HeNormal": {"seed": 4}}, HE, "kernel_initializer"),
        (None, HE, "kernel_initializer"),
        (HE, None, "kernel_initializer"),
        ({"a": 1, "c": 2}, {"a": 1, "b": 2}, ""),
    ],
)
def test_disagrees(wanted: Any, stored: Any, key: str) -> None:
    assert not agrees(wanted, stored, key)
