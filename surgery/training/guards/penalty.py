"""A penalty on variables for as long as a model trains: how far they are from where they started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from surgery.training.data.examples import Array


@dataclass(frozen=True)
class Anchor:
    """A variable, where it started, and how much each of its values counts."""

    variable: Any
    start: Any
    importance: Any
    """A tensor of the variable's shape; 1.0 where all its values count alike."""

    def distance(self, value: Any) -> Any:
        """The sum of squared differences from the start."""
        difference = keras.ops.cast(value, "float32") - self.start
        return keras.ops.sum(self.importance * keras.ops.square(difference))


@dataclass(frozen=True)
class Penalty:
    """`strength / 2` times the distances of some variables from their starts, which joins the loss."""

    guard: int
    """The place of its guard in the recipe's list."""
    strength: float
    anchors: tuple[Anchor, ...]

    def value(self) -> float:
        """What it adds to the loss of the model as it is now."""
        return sum(float(keras.ops.convert_to_numpy(self.of(one, one.variable))) for one in self.anchors)

    def of(self, anchor: Anchor, value: Any) -> Any:
        """What one variable adds."""
        return self.strength / 2 * anchor.distance(value)


def anchor(variable: Any, importance: Array | None) -> Anchor:
    """Holds a variable where it is now.

    Args:
        variable: A variable of a Keras model.
        importance: How much each of its values counts; None lets all of them count alike.
    """
    start = keras.ops.convert_to_tensor(keras.ops.convert_to_numpy(variable), "float32")
    counts = 1.0 if importance is None else keras.ops.convert_to_tensor(importance, "float32")
    return Anchor(variable, start, counts)


@contextmanager
def added(penalties: Sequence[Penalty]) -> Iterator[None]:
    """Has Keras add the penalties to the loss, beside the regularizers of the layers; what was there before comes back.

    Keras adds the regularizer of every variable that trains, on each backend, in whichever model the variable trains (3.15). A
    layer's own `kernel_regularizer`, which goes into its config, is not touched.
    """
    pairs = [(penalty, one) for penalty in penalties for one in penalty.anchors]
    before = [(one.variable, one.variable.regularizer) for _, one in pairs]
    try:
        for penalty, one in pairs:
            one.variable.regularizer = partial(_sum, one.variable.regularizer, partial(penalty.of, one))
        yield
    finally:
        for variable, regularizer in reversed(before):
            variable.regularizer = regularizer


def _sum(first: Any, second: Any, value: Any) -> Any:
    return second(value) if first is None else first(value) + second(value)
