"""Trains a net with nothing frozen, once with plain `model.fit` and once as a stage that keeps checkpoints: what that costs.

`python benchmarks/whole_model.py [--examples 512] [--epochs 8] [--rounds 5]`. Both train on the same batches in the same order, in
one process, now the one first and now the other; a round is long enough for checkpoints to be due. The first round of each is not
counted. On a busy machine look at the time of the processor, which others disturb less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np

from surgery.recipe.training import Stage
from surgery.training.data.examples import ArrayExamples
from surgery.training.data.order import Batches, permutation
from surgery.training.recorder import EpochOrder
from surgery.training.resuming.checkpoint import Checkpoint
from surgery.training.resuming.keeping import Keeping
from surgery.training.resuming.state import TrainingState
from surgery.training.setting import Setting, StageWork
from surgery.training.stages import train

BATCH, CLASSES, SIDE = 32, 10, 48
STAGE = {"name": "all", "optimizer": {"Adam": {"learning_rate": 0.001}}, "loss": "sparse_categorical_crossentropy"}


Times = tuple[float, float]
"""Seconds on the wall, and of the processor."""


class Counted(Checkpoint):
    """Knows how often it was written, and how long that took."""

    count = 0
    seconds = 0.0

    def write(self, state: TrainingState, where: str, untaken: tuple[str, ...] = ()) -> None:
        began = time.perf_counter()
        super().write(state, where, untaken)
        self.count += 1
        self.seconds += time.perf_counter() - began


def net() -> keras.Model:
    """A convolution net that trains as a whole; a wide layer makes its checkpoints 30 MB."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((SIDE, SIDE, 3)),
        *(
            keras.layers.Conv2D(32, 3, strides=1 + number % 2, activation="relu", name=f"conv{number}")
            for number in range(4)
        ),
        keras.layers.Flatten(),
        keras.layers.Dense(1024, activation="relu", name="wide"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(CLASSES, activation="softmax", name="head"),
    ]
    return keras.Sequential(layers)


def by_keras(model: keras.Model, data: ArrayExamples, epochs: int) -> Times:
    began, processor = time.perf_counter(), time.process_time()
    batches = Batches(data, BATCH, lambda epoch: permutation(0, "all", epoch, len(data)))
    model.compile(keras.optimizers.Adam(0.001), STAGE["loss"])
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[EpochOrder(batches)])
    return time.perf_counter() - began, time.process_time() - processor


def by_stage(model: keras.Model, data: ArrayExamples, epochs: int, folder: Path) -> tuple[Times, Counted]:
    began, processor = time.perf_counter(), time.process_time()
    stage = Stage.model_validate(STAGE | {"epochs": epochs})
    checkpoint = Counted(folder / "checkpoint", {})
    work = StageWork(stage, {layer.name: True for layer in model.layers})
    outcome = train(model, [work], Setting(data, None, BATCH, True, 0, "cpu", folder), keeping=Keeping(checkpoint))
    if outcome.failure is not None:
        raise outcome.failure
    return (time.perf_counter() - began, time.process_time() - processor), checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--examples", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    x = generator.normal(size=(arguments.examples, SIDE, SIDE, 3)).astype("float32")
    data = ArrayExamples((x,), (generator.integers(0, CLASSES, arguments.examples),), ("x",))
    plain, kept = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds + 1):
            if number % 2:
                plain.append(by_keras(net(), data, arguments.epochs))
            ours, checkpoint = by_stage(net(), data, arguments.epochs, Path(folder))
            kept.append(ours)
            if not number % 2:
                plain.append(by_keras(net(), data, arguments.epochs))
            size = checkpoint.path.stat().st_size
            share = checkpoint.seconds / ours[0]
            print(
                f"  model.fit {plain[-1][0]:.2f} s, a stage {ours[0]:.2f} s, of it {checkpoint.count} checkpoints {share:.1%}"
            )
    print(f"{arguments.examples} images of {SIDE} px, {arguments.epochs} epochs, checkpoints of {size / 1e6:.0f} MB")
    for number, what in enumerate(("on the wall", "of the processor")):
        pairs = [(ours[number], alone[number]) for ours, alone in zip(kept[1:], plain[1:], strict=True)]
        best = min(ours for ours, _ in pairs) / min(alone for _, alone in pairs)
        middle = statistics.median(ours / alone for ours, alone in pairs)
        print(
            f"  {what}: a stage takes {best:.3f} times as long as model.fit (best of each), {middle:.3f} (median of the pairs)"
        )


if __name__ == "__main__":
    main()
