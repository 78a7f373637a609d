"""A model whose hidden gradients are below what float16 can hold, trained in each precision; a program, to run on any backend."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from surgery.model.spec import TensorRef
from surgery.planning.prefix import WHOLE, Prefix
from surgery.planning.rates import Rate
from surgery.training.data.examples import ArrayExamples
from surgery.training.devices import precision
from surgery.training.frozen_prefix.features import Budget
from surgery.training.setting import StageWork
from surgery.training.stages import train
from tests.training import small

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
SGD: dict[str, Any] = {"learning_rate": 1000.0}
CUT = Prefix((TensorRef("frozen"),), ("frozen",), ("'hidden' trains",), "digest")
OPTIMIZERS: dict[str, Any] = {
    "plain": {"SGD": SGD},
    "with momentum": {"SGD": {**SGD, "momentum": 0.9}},
    "with clipping": {"SGD": {**SGD, "clipvalue": 1e-7}},
    "with accumulation": {"SGD": {**SGD, "gradient_accumulation_steps": 2}},
    "with averages": {"SGD": {**SGD, "use_ema": True, "ema_momentum": 0.5}},
    "own scale": {"LossScaleOptimizer": {"inner_optimizer": {"SGD": SGD}, "initial_scale": 16384}},
    "factor": {"SGD": {**SGD, "loss_scale_factor": 8192}},
    "with Adam": {"Adam": {"learning_rate": 0.001, "epsilon": 1e-14}},
}
CASES = [
    f"{name}, {policy}" for name in (*OPTIMIZERS, "with rates", "cut", "uncut", "going on") for policy in PRECISIONS
]


def model() -> keras.Model:
    """Two convolutions, of which the second multiplies by little."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    little = keras.initializers.RandomNormal(stddev=1e-4, seed=4)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(4, 3, activation="relu", name="frozen"),
            layers.Conv2D(8, 3, use_bias=False, name="hidden"),
            layers.Conv2D(1, 3, kernel_initializer=little, name="little"),
            layers.Rescaling(1e-4, name="rescaling"),
        ]
    )


def images() -> ArrayExamples:
    generator = np.random.default_rng(5)
    x = generator.normal(size=(16, 8, 8, 1)).astype("float32")
    return ArrayExamples((x,), (generator.normal(size=(16, 2, 2, 1)).astype("float32") * 1e-1,), ("x",))


def came_to(case: str) -> dict[str, Any]:
    name, _, policy = case.partition(", ")
    made, data = model(), images()
    made.get_layer("frozen").trainable = name not in ("cut", "uncut")
    flags = {layer.name: bool(layer.trainable) for layer in made.layers}
    optimizer = OPTIMIZERS.get(name, OPTIMIZERS["plain"])
    stage = small.stage(optimizer=optimizer, loss="mse", metrics=(), epochs=2, name="one")
    work = StageWork(stage, flags, prefix=CUT if name == "cut" else WHOLE)
    works = [work]
    if name == "with rates":
        works = [replace(work, rates={"hidden": Rate(0.5)})]
    if name == "going on":
        again = small.stage(optimizer=OPTIMIZERS["with momentum"], loss="mse", metrics=(), epochs=2, name="two")
        first = StageWork(again.model_copy(update={"name": "one"}), flags, hands_on=True)
        works = [first, StageWork(again, flags, number=1, goes_on=True, hands_on=True)]
    before = np.array(keras.ops.convert_to_numpy(made.get_layer("hidden").kernel))
    with tempfile.TemporaryDirectory() as folder, precision(made, policy):
        changes = {
            "precision": policy,
            "validation": None,
            "batch_size": 8,
            "shuffle": False,
            "budget": Budget(10**9, 0, Path(folder)),
        }
        outcome = train(made, works, small.setting(Path(folder), data, **changes))
    assert outcome.failure is None, outcome.failure
    record = outcome.history.stages[-1]
    return {
        "hidden": moved(made, before),
        "loss_scale": record.loss_scale and record.loss_scale.last,
        "has_features": record.frozen_prefix is not None,
        "unmoved": record.unmoved and list(record.unmoved.variables),
        **({"keras": by_keras(policy, optimizer, data)} if name == "plain" else {}),
    }


def by_keras(policy: str, optimizer: Any, data: ArrayExamples) -> float:
    """The same by plain Keras, with a model that was built under the policy."""
    keras.config.set_dtype_policy(policy)
    try:
        made = model()
    finally:
        keras.config.set_dtype_policy("float32")
    made.layers[-1].dtype_policy = "float32"
    made.set_weights(model().get_weights())
    before = np.array(keras.ops.convert_to_numpy(made.get_layer("hidden").kernel))
    made.compile(keras.optimizers.SGD(**optimizer["SGD"]), "mse")
    for _ in range(2):
        made.fit(data.x[0], data.y[0], batch_size=8, epochs=1, shuffle=False, verbose=0)
    return moved(made, before)


def moved(made: keras.Model, before: np.ndarray[Any, Any]) -> float:
    after = keras.ops.convert_to_numpy(made.get_layer("hidden").kernel)
    return float(np.abs(after - before).max())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({case: came_to(case) for case in CASES}))
