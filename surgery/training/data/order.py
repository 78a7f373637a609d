"""The order of the data: a pure function of seed, stage and epoch.

Keras' own `fit(shuffle=True)` repeats one permutation in every epoch once it is seeded (Keras 3.15.1, TensorFlow 2.21),
and its position cannot be taken up again. Here the order of any epoch can be asked for at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from surgery.planning.seeds import derived
from surgery.training.data.examples import Examples, Indices, Stream


def permutation(seed: int, stage: str, epoch: int, length: int) -> Indices:
    """The order of `length` examples in an epoch of a stage.

    Sorting the raw output of Philox, whose bits are specified, keeps the order the same over versions of NumPy; its own
    `permutation` may change.
    """
    key = derived(seed, "order", stage, epoch)
    keys = np.random.Philox(key=key).random_raw(length)
    return np.argsort(keys, kind="stable")


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of examples, in the order of an epoch, for every backend of Keras.

    Args:
        examples: What to draw from.
        batch_size: Examples in a batch; the last one of an epoch may be smaller.
        order: The order of an epoch; left out, the examples come as they are stored.
        augment: Varies the inputs of a batch of an epoch, and its targets with them.
        length: How many examples a pass has, where its order takes some of them twice or not at all.
        answered: What becomes of the targets of a batch, by its indices and its inputs as they were varied.
        model: What takes them, in its own structure; left out, several inputs are a tuple.
        steps: How many batches are an epoch, which then goes on where the one before ended; left out, a pass over the examples is one.
        drop_last: Leaves out the last batch of a pass where it is smaller.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        order: Callable[[int], Indices] | None = None,
        augment: Callable[[int, int, Any, Any], tuple[Any, Any]] | None = None,
        length: int | None = None,
        answered: Callable[[Indices, Any, Any], Any] | None = None,
        model: Any = None,
        *,
        steps: int | None = None,
        drop_last: bool = False,
    ) -> None:
        super().__init__(workers=0, use_multiprocessing=False)
        self.examples = examples
        self.batch_size = batch_size
        self._order = order
        self._augment = augment
        length = len(examples) if length is None else length
        self._in_pass = length // batch_size if drop_last else -(-length // batch_size)
        self._steps = self._in_pass if steps is None else steps
        self._answered = answered
        self._structure = None if model is None else structure_of(model)
        self._epoch = self._done = self._pass = 0
        self._indices = np.arange(len(examples))

    def start(self, epoch: int, done: int = 0) -> None:
        """Takes the order of an epoch, counted from 0. Called before the epoch draws its first batch.

        Args:
            epoch: The epoch.
            done: How many of its batches were drawn already, in a run that was interrupted; it gives the others.
        """
        self._epoch, self._done = epoch, done
        self._take_order((epoch * self._steps + done) // self._in_pass)

    def _take_order(self, number: int) -> None:
        self._pass = number
        if self._order is not None:
            self._indices = self._order(number)

    @property
    def num_batches(self) -> int:
        return self._steps - self._done

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        number = self._done + index
        through, place = divmod(self._epoch * self._steps + number, self._in_pass)
        if through != self._pass:
            self._take_order(through)
        first = place * self.batch_size
        indices = self._indices[first : first + self.batch_size]
        x, y, *weight = self.examples.take(indices)
        if self._augment is not None:
            x, y = self._augment(self._epoch, number, x, y)
        packed = _texts(x) if self._structure is None else _packed(_texts(x), self._structure)
        return (packed, y if self._answered is None else self._answered(indices, x, y), *weight)


def structure_of(model: Any) -> Any:
    """How a model takes its inputs, where it wants a dict of them; Keras 3.15 then refuses a tuple."""
    structure = getattr(getattr(model, "_functional", None) or model, "_inputs_struct", None)
    return structure if isinstance(structure, dict) else None


def _packed(x: Any, structure: Any) -> Any:
    return keras.tree.pack_sequence_as(structure, list(x) if isinstance(x, tuple) else [x])


def _texts(x: Any) -> Any:
    """The inputs with text as tensors: Keras 3.15 knows the dtype of text there, and not in NumPy's arrays."""
    match x:
        case np.ndarray() if x.dtype.kind in "SU":
            return keras.ops.convert_to_tensor(x)
        case tuple() | list():
            return type(x)(_texts(one) for one in x)
        case dict():
            return {name: _texts(one) for name, one in x.items()}
        case _:
            return x


def in_stored_order(
    data: Examples | Stream | None, batch_size: int, model: Any = None, steps: int | None = None
) -> Any:
    """Batches for looking at, not for learning from: as they are stored, or as the factory streams them.

    Args:
        data: The examples.
        batch_size: Examples in a batch.
        model: What takes them, in its own structure.
        steps: How many batches, the first ones; left out, all. Of a stream Keras is told so where it takes them.
    """
    match data:
        case None:
            return None
        case Stream():
            return data.source
        case _:
            return Batches(data, batch_size, model=model, steps=steps)
