"""Examples that can be asked for by index, and batches that somebody else's code streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]
Batch = tuple[Any, ...]
"""`(x, y)` or `(x, y, sample_weight)`, as Keras takes it."""

Prepare = Callable[[Array], Array]

PREPARED_AT_ONCE = 512 * 2**20
"""Bytes up to which inputs are prepared once and kept; larger ones are prepared batch by batch."""


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """What is known of one input without reading all of it: name, shape without the batch, dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Examples(Protocol):
    """Examples by index: their order is ours to make."""

    def __len__(self) -> int: ...

    def take(self, indices: Indices) -> Batch:
        """The examples at these indices as one batch, ready for the model."""

    @property
    def inputs(self) -> tuple[TensorFacts, ...]:
        """The inputs as `take` gives them."""

    @property
    def targets(self) -> tuple[Array, ...]:
        """All targets; they are small enough to look at."""

    @property
    def may_hold_nan(self) -> bool:
        """Whether the inputs are stored as numbers that can be NaN or infinite."""


@dataclass(frozen=True)
class Stream:
    """Batches in an order of their own: a `tf.data.Dataset` or a `keras.utils.PyDataset` that a factory returned.

    Args:
        source: What streams them.
        batches: How many there are, `math.inf` where they never end; None where nobody knows before they are through.
    """

    source: Any
    batches: float | None = None


@dataclass(frozen=True)
class ArrayExamples:
    """Arrays in memory or mapped from a file.

    Args:
        x: One array for each input of the model.
        y: One array for each output of the model.
        names: A name for each input, for messages.
        prepare: What happens to the inputs of a batch before the model sees them.
        weight: One weight for each example.
    """

    x: tuple[Array, ...]
    y: tuple[Array, ...]
    names: tuple[str, ...]
    prepare: Prepare | None = None
    weight: Array | None = None

    def __len__(self) -> int:
        return len(self.y[0])

    def take(self, indices: Indices) -> Batch:
        x = packed([self._prepared(array[indices]) for array in self.x])
        y = packed([array[indices] for array in self.y])
        return (x, y) if self.weight is None else (x, y, self.weight[indices])

    @property
    def inputs(self) -> tuple[TensorFacts, ...]:
        first = [self._prepared(array[:1]) for array in self.x]
        facts = zip(self.names, first, strict=True)
        return tuple(TensorFacts(name, array.shape[1:], dtype_name(array)) for name, array in facts)

    @property
    def targets(self) -> tuple[Array, ...]:
        return self.y

    @property
    def may_hold_nan(self) -> bool:
        return any(array.dtype.kind == "f" for array in self.x)

    def settled(self) -> ArrayExamples:
        """The same examples with the inputs prepared once, where that costs little memory."""
        if self.prepare is None or sum(4 * array.size for array in self.x) > PREPARED_AT_ONCE:
            return self
        x = tuple(self._prepared(array) for array in self.x)
        return ArrayExamples(x, self.y, self.names, None, self.weight)

    def _prepared(self, array: Array) -> Array:
        return array if self.prepare is None else self.prepare(array)


@dataclass(frozen=True)
class Subset:
    """Some of the examples, in the order of the indices."""

    whole: Examples
    indices: Indices

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, indices: Indices) -> Batch:
        return self.whole.take(self.indices[indices])

    @property
    def inputs(self) -> tuple[TensorFacts, ...]:
        return self.whole.inputs

    @property
    def targets(self) -> tuple[Array, ...]:
        return tuple(array[self.indices] for array in self.whole.targets)

    @property
    def may_hold_nan(self) -> bool:
        return self.whole.may_hold_nan


def dtype_name(array: Array) -> str:
    """Keras' word for the dtype of an array."""
    return "string" if array.dtype.kind in "SU" else array.dtype.name


def packed(items: Sequence[Any]) -> Any:
    """One array as itself, several as a tuple in the order of the model's inputs or outputs."""
    return items[0] if len(items) == 1 else tuple(items)
