"""Small things that the tests of training share: a model, data, stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from surgery.recipe.training import Stage
from surgery.training.data.examples import ArrayExamples
from surgery.training.setting import Setting

LOSS = "sparse_categorical_crossentropy"


def model(units: int = 3, features: int = 8, activation: str = "softmax") -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((features,), name="features"),
            layers.Dense(16, activation="relu", name="hidden"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(units, activation=activation, name="head"),
        ]
    )


def examples(length: int = 96, units: int = 3, features: int = 8) -> ArrayExamples:
    """Classes that can be told from the inputs."""
    generator = np.random.default_rng(5)
    y = generator.integers(0, units, length)
    x = generator.normal(size=(length, features)).astype("float32")
    x[np.arange(length), y] += 2
    return ArrayExamples((x,), (y,), ("x",))


def stage(name: str = "head", **changes: Any) -> Stage:
    parts = {
        "name": name,
        "epochs": 2,
        "optimizer": {"Adam": {"learning_rate": 0.01}},
        "loss": LOSS,
        "metrics": ("accuracy",),
    }
    return Stage.model_validate(parts | changes)


def setting(folder: Path, data: ArrayExamples | None = None, **changes: Any) -> Setting:
    data = data or examples()
    parts: dict[str, Any] = {
        "train": data,
        "validation": data,
        "batch_size": 16,
        "shuffle": True,
        "seed": 3,
        "device": "cpu",
        "folder": folder,
    }
    return Setting(**(parts | changes))


def weights(of: keras.Model) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in of.weights]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
