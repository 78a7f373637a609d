"""Trains a head on a frozen ResNet50, once with plain `model.fit` and once as a stage; and a small net with nothing frozen.

`python benchmarks/frozen_prefix.py [--examples 1024] [--epochs 10] [--comparison]`. All ratios are against Keras in the same
process. Weights of the base are random: that changes no time. The features go to a folder of their own, which is deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np

from surgery.model.spec import TensorRef
from surgery.planning.prefix import WHOLE, Prefix
from surgery.recipe.training import Stage
from surgery.training.data.examples import ArrayExamples
from surgery.training.data.order import Batches, permutation
from surgery.training.frozen_prefix.agreement import agreement
from surgery.training.frozen_prefix.features import Budget, featured, prefix_key
from surgery.training.frozen_prefix.halves import halves
from surgery.training.recorder import EpochOrder
from surgery.training.setting import Setting, StageWork
from surgery.training.stages import train

BATCH, CLASSES = 32, 10
STAGE = {"name": "head", "optimizer": {"Adam": {"learning_rate": 0.001}}, "loss": "sparse_categorical_crossentropy"}


def resnet() -> tuple[keras.Model, Prefix]:
    """A ResNet50 at 96 px under a new head, and where a plan cuts it."""
    keras.utils.set_random_seed(0)
    base = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(96, 96, 3), pooling="avg")
    base.trainable = False
    model = keras.Sequential(
        [keras.Input((96, 96, 3)), base, keras.layers.Dense(CLASSES, activation="softmax", name="head")]
    )
    return model, Prefix((TensorRef(base.name),), (base.name,), ("'head' trains",), "resnet50")


def small() -> keras.Model:
    """A convolution net that trains as a whole."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((48, 48, 3)),
        *(keras.layers.Conv2D(32, 3, activation="relu", name=f"conv{number}") for number in range(4)),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(CLASSES, activation="softmax", name="head"),
    ]
    return keras.Sequential(layers)


def examples(count: int, side: int) -> ArrayExamples:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(count, side, side, 3)).astype("float32")
    return ArrayExamples((x,), (generator.integers(0, CLASSES, count),), ("x",))


def by_keras(model: keras.Model, data: ArrayExamples, epochs: int) -> None:
    """Plain `fit` on the same batches in the same order."""
    batches = Batches(data, BATCH, lambda epoch: permutation(0, "head", epoch, len(data)))
    model.compile(keras.optimizers.Adam(0.001), STAGE["loss"])
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[EpochOrder(batches)])


def by_stage(model: keras.Model, data: ArrayExamples, epochs: int, prefix: Prefix, budget: Budget | None) -> None:
    stage = Stage.model_validate(STAGE | {"epochs": epochs})
    trainable = {layer.name: bool(layer.trainable) for layer in model.layers}
    setting = Setting(data, None, BATCH, True, 0, "cpu", Path(tempfile.gettempdir()), budget=budget)
    outcome = train(model, [StageWork(stage, trainable, prefix=prefix)], setting)
    if outcome.failure is not None:
        raise outcome.failure


def seconds(act: Callable[..., None], *arguments: Any) -> float:
    began = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - began


def frozen(count: int, epochs: int) -> None:
    data = examples(count, 96)
    with tempfile.TemporaryDirectory() as folder:
        budget = Budget(10**9, 10**9, Path(folder))
        plain, prefix = resnet()
        keras_time = seconds(by_keras, plain, data, epochs)
        print(f"ResNet50 at 96 px, {count} images, {epochs} epochs, batch {BATCH}, head only")
        print(f"  model.fit on the whole model   {keras_time:7.1f} s")
        for what in ("frozen layers computed once", "the same again, from the cache"):
            model, _ = resnet()
            ours = seconds(by_stage, model, data, epochs, prefix, budget)
            same = all(
                np.array_equal(a, b)
                for a, b in zip(plain.layers[-1].get_weights(), model.layers[-1].get_weights(), strict=True)
            )
            bits = "bit-identical head" if same else "OTHER WEIGHTS"
            print(f"  {what:<30} {ours:7.1f} s   {keras_time / ours:5.1f} times faster, {bits}")


def comparison(count: int, epochs: int) -> None:
    """What it costs to compare features with the whole network before a stage, against the stage itself."""
    for what, (model, prefix), side in (
        ("ResNet50 at 96 px", resnet(), 96),
        ("four convolutions at 48 px", convolutions(), 48),
    ):
        data = examples(count, side)
        with tempfile.TemporaryDirectory() as folder:
            budget = Budget(10**9, 10**9, Path(folder))
            whole = seconds(by_stage, model, data, epochs, prefix, budget)
            cut = halves(model, prefix)
            found = featured(data, cut.prefix, prefix_key(prefix, cut.prefix, "cpu", "float32"), BATCH, budget)
        assert found is not None
        cut.prefix.predict_on_batch([data.x[0][:BATCH]])  # in a stage that computes features it is traced
        cut.prefix.predict_on_batch([data.x[0][: BATCH // 2]])
        began = time.perf_counter()
        near = agreement(
            model, cut, data, found.examples, BATCH, lambda epoch: permutation(0, "head", epoch, count), "float32"
        )
        cost = time.perf_counter() - began
        exact = "equal bit for bit" if near.exact else f"within {near.difference:.0e}"
        print(f"Features of {what} compared with the whole network on {near.examples} examples: {exact}")
        print(
            f"  {cost:.2f} s of the {whole:.1f} s of a stage of {epochs} epochs on {count} images: {cost / whole:.1%}"
        )


def convolutions() -> tuple[keras.Model, Prefix]:
    """A small net whose convolutions are frozen."""
    model = small()
    for layer in model.layers[:-1]:
        layer.trainable = False
    last = model.layers[-2].name
    return model, Prefix(
        (TensorRef(last),), tuple(layer.name for layer in model.layers[:-1]), ("'head' trains",), "small"
    )


def nothing_frozen(count: int, epochs: int, rounds: int = 3) -> None:
    data = examples(count, 48)
    by_keras(small(), data, 1)
    pairs = []
    for _ in range(rounds):
        one, other = small(), small()
        pairs.append(
            (
                seconds(by_keras, one, data, epochs),
                seconds(by_stage, other, data, epochs, WHOLE, None),
            )
        )
    keras_time, ours = (min(times) for times in zip(*pairs, strict=True))
    print(f"A net of four convolutions with nothing frozen, {count} images, {epochs} epochs, best of {rounds}")
    print(f"  model.fit {keras_time:.2f} s, a stage {ours:.2f} s: {ours / keras_time - 1:+.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--examples", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--comparison", action="store_true", help="nothing but the cost of comparing features")
    arguments = parser.parse_args()
    if arguments.comparison:
        comparison(arguments.examples, arguments.epochs)
        return
    frozen(arguments.examples, arguments.epochs)
    comparison(arguments.examples, arguments.epochs)
    nothing_frozen(arguments.examples // 4, 3, rounds=9)


if __name__ == "__main__":
    main()
