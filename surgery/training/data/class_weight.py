"""Examples that count by their class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgery.errors import DataInvalid
from surgery.recipe.training import Stage
from surgery.training.data.examples import Array, Batch, Examples, Indices, TensorFacts
from surgery.training.place import Field


@dataclass(frozen=True)
class ClassWeighted:
    """Examples with a weight each, that of their class; one that they have already is multiplied with it."""

    whole: Examples
    weights: Array
    """One for each class."""

    def __len__(self) -> int:
        return len(self.whole)

    def take(self, indices: Indices) -> Batch:
        x, y, *own = self.whole.take(indices)
        weight = self.weights[classes(y)]
        return (x, y, weight * own[0] if own else weight)

    @property
    def inputs(self) -> tuple[TensorFacts, ...]:
        return self.whole.inputs

    @property
    def targets(self) -> tuple[Array, ...]:
        return self.whole.targets

    @property
    def may_hold_nan(self) -> bool:
        return self.whole.may_hold_nan


def classes(target: Array) -> Indices:
    """The class of each example, from indices or one-hot vectors."""
    if target.ndim == 2 and target.shape[1] > 1:
        return np.asarray(np.argmax(target, axis=1), np.int64)
    return target.reshape(len(target)).astype(np.int64)


def _are_classes(target: Array) -> bool:
    return bool((target >= 0).all() and (target == np.floor(target)).all())


def weighted(examples: Examples, stage: Stage, place: Field) -> Examples:
    """The examples as the stage's `class_weight` asks; as they are where it asks for nothing.

    Raises:
        DataInvalid: They have no classes, or other ones.
    """
    if stage.class_weight is None:
        return examples
    target, field = examples.targets[0], (*place, "class_weight")
    if len(examples.targets) > 1 or target.ndim > 2 or not _are_classes(target):
        raise DataInvalid(
            "class_weight, and the targets are no classes", expected="a class for each example", field=field
        )
    counts = np.bincount(classes(target))
    if stage.class_weight == "balanced":
        shares = len(target) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return ClassWeighted(examples, shares.astype("float32"))
    if len(stage.class_weight) < len(counts):
        raise DataInvalid(
            f"class_weight has {len(stage.class_weight)} weights, and labels go up to {len(counts) - 1}",
            expected=f"{len(counts)} weights, the first for class 0",
            field=field,
        )
    return ClassWeighted(examples, np.array(stage.class_weight, "float32"))
