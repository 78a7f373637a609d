"""Class indices as one-hot vectors, where labels are mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surgery.training.data.examples import Array, Batch, Examples, Indices, TensorFacts, packed
from surgery.training.data.targets import ONE_HOT, Output


@dataclass(frozen=True)
class OneHot:
    """Examples whose class indices are one-hot vectors.

    Args:
        whole: The examples.
        units: Of each target how many classes there are; None where it stays as it is.
    """

    whole: Examples
    units: Sequence[int | None]

    def __len__(self) -> int:
        return len(self.whole)

    def take(self, indices: Indices) -> Batch:
        x, y, *weight = self.whole.take(indices)
        return (x, packed(self._encoded(y if isinstance(y, tuple) else (y,))), *weight)

    @property
    def inputs(self) -> tuple[TensorFacts, ...]:
        return self.whole.inputs

    @property
    def targets(self) -> tuple[Array, ...]:
        return tuple(self._encoded(self.whole.targets))

    @property
    def may_hold_nan(self) -> bool:
        return self.whole.may_hold_nan

    def _encoded(self, targets: Sequence[Array]) -> list[Array]:
        return [
            array if units is None else np.eye(units, dtype="float32")[array.reshape(len(array))]
            for array, units in zip(targets, self.units, strict=True)
        ]


def one_hot(examples: Examples, outputs: Sequence[Output], losses: Sequence[str | None]) -> Examples:
    """The examples with one-hot vectors for class indices, where the loss takes these."""
    if len(examples.targets) != len(outputs):
        return examples
    units = [
        output.units if loss in ONE_HOT and _are_indices(target, output.units) else None
        for target, output, loss in zip(examples.targets, outputs, losses, strict=True)
    ]
    return OneHot(examples, units) if any(units) else examples


def _are_indices(target: Array, units: int | None) -> bool:
    is_one_number = target.dtype.kind in "iu" and target.size == len(target)
    return is_one_number and (units or 0) > 1 and int(target.min()) >= 0 and int(target.max()) < (units or 0)
