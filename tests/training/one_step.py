"""One step of SGD, Adam and AdamW with rates of their own, against the update by hand; a program, to run on any backend."""

from __future__ import annotations

from itertools import product

import keras
import numpy as np

from surgery.planning.rates import Rate
from surgery.training.rates import Pace, paced

RATE, DECAY, EPSILON = 0.01, 0.1, 1e-7
NAMES = ("SGD", "Adam", "AdamW")
SLOW, BARE = Rate(0.1), Rate(0.5, 0.0)


def differences(name: str, *, warmup: int = 0, decay: float = 0.0) -> dict[str, float]:
    """How far each variable is from where the hand-computed update puts it.

    Args:
        name: The optimizer.
        warmup: The steps of the warm-up.
        decay: The optimizer's weight decay; one layer has none, whatever this is.
    """
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.Input((3,)), *(keras.layers.Dense(3, name=name, use_bias=False) for name in ("a", "b", "c"))]
    )
    optimizer = keras.optimizers.get({"class_name": name, "config": {"learning_rate": RATE, "weight_decay": decay}})
    optimizer = paced(optimizer, model, Pace({"a": SLOW, "b": BARE}, warmup))
    assert type(optimizer).__name__ == name
    model.compile(optimizer, "mse", jit_compile=False)
    x, y = np.random.default_rng(1).normal(size=(2, 8, 3)).astype("float32")
    before = [np.array(keras.ops.convert_to_numpy(variable)) for variable in model.trainable_variables]
    model.fit(x, y, batch_size=8, epochs=1, verbose=0)
    after = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    gradients = _gradients(before, x, y)
    expected = [
        _by_hand(name, old, gradient, rate, warmup, decay)
        for old, gradient, rate in zip(before, gradients, (SLOW, BARE, Rate()), strict=True)
    ]
    pairs = zip("abc", expected, after, strict=True)
    assert all(abs(new - old).max() > 1e-5 for old, new in zip(before, after, strict=True))
    return {layer: float(np.abs(wanted - got).max()) for layer, wanted, got in pairs}


def _by_hand(name: str, old: np.ndarray, gradient: np.ndarray, rate: Rate, warmup: int, decay: float) -> np.ndarray:
    speed = RATE * rate.multiplier / (warmup or 1)
    old = old - speed * (decay if rate.weight_decay is None else rate.weight_decay) * old
    if name == "SGD":
        return np.asarray(old - speed * gradient)
    first, second = 0.1 * gradient, 0.001 * gradient**2
    step = speed * np.sqrt(1 - 0.999) / (1 - 0.9)
    return np.asarray(old - step * first / (np.sqrt(second) + EPSILON))


def _gradients(kernels: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Those of the mean squared error of three linear layers."""
    a, b, c = (kernel.astype("float64") for kernel in kernels)
    error = np.asarray(2 * (x @ a @ b @ c - y) / y.size)
    return [x.T @ error @ c.T @ b.T, (x @ a).T @ error @ c.T, (x @ a @ b).T @ error]


if __name__ == "__main__":
    for optimizer_name, steps, strength in product(NAMES, (0, 4), (0.0, DECAY)):
        found = differences(optimizer_name, warmup=steps, decay=strength)
        print(keras.backend.backend(), optimizer_name, steps, strength, max(found.values()))
        assert max(found.values()) < 1e-6
