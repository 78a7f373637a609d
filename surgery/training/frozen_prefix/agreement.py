"""Whether features and the rest of a network come to what the whole network comes to, measured before anything relies on it.

The same example may come out otherwise in a batch of another size: oneDNN chooses its kernels by it, and by the instructions of the
CPU (TensorFlow 2.21: a Dense of 16 units on AVX2 gives other last bits in a batch of 8 than in one of 16; on AVX-512 and SSE4.1 the
same ones). Features are computed in the stored order, and a stage draws them in another: so batches of both kinds are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from surgery.training.data.examples import Array, Examples, Indices
from surgery.training.data.order import Batches
from surgery.training.frozen_prefix.halves import Halves

TOLERANCES = {"float32": 1e-5, "mixed_float16": 5e-3, "mixed_bfloat16": 4e-2}
"""By how much of the largest value of a tensor features may be off, by precision: what a sum is off that is added up in another order,
about a hundred steps between neighbouring numbers of float32 and five of the two short ones."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near the two are.

    Args:
        exact: Whether everything that was compared is equal bit for bit.
        difference: The largest difference, as a share of the largest value of its tensor.
        tolerance: What it may be.
        examples: How many were compared.
    """

    exact: bool
    difference: float
    tolerance: float
    examples: int

    @property
    def is_near(self) -> bool:
        """Whether features may be used."""
        return self.exact or self.difference <= self.tolerance

    def and_also(self, other: Agreement) -> Agreement:
        """Both together, as near as the one that is less so."""
        worse = max(self.difference, other.difference)
        return Agreement(self.exact and other.exact, worse, self.tolerance, self.examples + other.examples)


def agreement(
    whole: Any,
    cut: Halves,
    data: Examples,
    features: Examples,
    batch_size: int,
    order: Callable[[int], Indices] | None,
    precision: str,
) -> Agreement:
    """Compares both ways on a few batches, forward: features with those of these batches, and the outputs of both.

    Args:
        whole: The whole model.
        cut: The same in two.
        data: The examples.
        features: What the first half makes of them.
        batch_size: The examples of a step.
        order: The order of an epoch; None where it is the stored one.
        precision: The dtype policy.
    """
    found = Agreement(True, 0.0, TOLERANCES.get(precision, TOLERANCES["float32"]), 0)
    batches = [
        (_inputs(data, indices, whole), _inputs(features, indices, cut.tail))
        for indices in _batches(len(data), batch_size, order)
    ]
    x, made = batches[0]
    first = _forward(cut.prefix, keras.tree.flatten(x))
    second, both = _forward(cut.tail, made), _forward(whole, x)
    for x, made in batches:
        pairs = [*zip(first(keras.tree.flatten(x)), keras.tree.flatten(made), strict=True)]
        pairs += zip(both(x), second(made), strict=True)
        for one, other in pairs:
            found = found.and_also(Agreement(_bits(one) == _bits(other), difference(one, other), found.tolerance, 0))
        found = found.and_also(Agreement(True, 0.0, found.tolerance, len(pairs[0][0])))
    for model in (whole, cut.prefix, cut.tail):
        model.predict_function = None  # it obeys the flags and the policy of now
    return found


def _batches(length: int, batch_size: int, order: Callable[[int], Indices] | None) -> Iterator[Indices]:
    """The first batch of an epoch, and the last, which may be a smaller one. Where they are not the stored ones: examples of the
    last stored batch in a full one, and of the first in the smaller one, each at another place."""
    stored = np.arange(length)
    rest = length % batch_size or batch_size
    first = stored if order is None else order(0)
    yield first[:batch_size]
    yield first[-(len(first) % batch_size or batch_size) :]
    if order is not None:
        yield stored[-batch_size:][::-1]
        yield stored[:rest][::-1]


def _inputs(data: Examples, indices: Indices, model: Any) -> Any:
    batches = Batches(data, len(indices), lambda _: indices, length=len(indices), model=model)
    batches.start(0)
    x = batches[0][0]
    return list(x) if isinstance(x, tuple) else x


def _forward(model: Any, like: Any) -> Callable[[Any], list[Array]]:
    """A model forward. In TensorFlow it is traced once, for batches of any size, as a step of training is; and not where it was traced
    to make features."""
    run = model.predict_on_batch
    if keras.backend.backend() == "tensorflow" and model.predict_function is None:
        import tensorflow as tf

        sizes = keras.tree.map_structure(lambda one: tf.TensorSpec((None, *one.shape[1:]), one.dtype), like)
        # Not called through `tf.function` itself, which would warn of one trace for each model.
        traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(sizes)

        def run(x: Any) -> Any:
            return traced(keras.tree.map_structure(tf.convert_to_tensor, x))

    return lambda x: [np.asarray(keras.ops.convert_to_numpy(one)) for one in keras.tree.flatten(run(x))]


def _bits(values: Array) -> bytes:
    """The values as bits; features of bfloat16 are kept as float32, which holds them exactly."""
    return (values.astype("float32") if values.dtype.name == "bfloat16" else values).tobytes()


def difference(one: Array, other: Array) -> float:
    """The largest difference, as a share of the largest value of the first; infinite where one of them is no number."""
    if one.dtype.kind not in "fcV" or not one.size:
        return 0.0 if np.array_equal(one, other) else float("inf")
    one, other = one.astype("float64"), np.asarray(other).astype("float64")
    finite = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return float("inf")
    largest = float(np.abs(one[finite]).max(initial=0.0))
    return float(np.abs(one[finite] - other[finite]).max(initial=0.0)) / (largest or 1.0)
