"""`replay`: old examples in every batch, in an order that follows from seed, stage and epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from surgery.errors import DataInvalid, SurgeryError
from surgery.model.weights import shape_text
from surgery.training.data.examples import Array, Batch, Examples, Indices, TensorFacts, packed
from surgery.training.data.order import permutation
from surgery.training.place import Field


@dataclass(frozen=True)
class Joined:
    """New examples, and behind them old ones."""

    new: Examples
    old: Examples
    is_weighted: bool
    """Whether examples of one of the two have weights; then all have one."""

    def __len__(self) -> int:
        return len(self.new) + len(self.old)

    def take(self, indices: Indices) -> Batch:
        is_old = indices >= len(self.new)
        parts = [
            self._weighted(source.take(some), len(some))
            for source, some in ((self.new, indices[~is_old]), (self.old, indices[is_old] - len(self.new)))
            if len(some)
        ]
        if len(parts) == 1:
            return parts[0]
        places = np.argsort(np.concatenate([np.flatnonzero(~is_old), np.flatnonzero(is_old)]), kind="stable")
        return tuple(_together(first, second, places) for first, second in zip(*parts, strict=True))

    @property
    def inputs(self) -> tuple[TensorFacts, ...]:
        return self.new.inputs

    @property
    def targets(self) -> tuple[Array, ...]:
        return tuple(np.concatenate(pair) for pair in zip(self.new.targets, self.old.targets, strict=True))

    @property
    def may_hold_nan(self) -> bool:
        return self.new.may_hold_nan or self.old.may_hold_nan

    def _weighted(self, batch: Batch, length: int) -> Batch:
        if len(batch) > 2 or not self.is_weighted:
            return batch
        return (*batch, np.ones(length, "float32"))


def joined(new: Examples, old: Examples) -> Joined:
    """Both as one, so that what is computed for examples is computed for both."""
    return Joined(new, old, any(len(one.take(np.arange(1))) > 2 for one in (new, old)))


def check_old(new: Examples, old: Examples, place: Field) -> list[SurgeryError]:
    """What keeps examples from standing in one batch."""
    pairs = [
        *((a.name, a.shape, b.shape) for a, b in zip(new.inputs, old.inputs, strict=True)),
        *(("the target", a.shape[1:], b.shape[1:]) for a, b in zip(new.targets, old.targets, strict=True)),
    ]
    return [
        DataInvalid(
            f"replay: {name} has the shape {shape_text(other)} in an old example and {shape_text(shape)} in a new one",
            expected="old and new examples of one shape, so that a batch can hold both",
            fix=f"save the old ones as arrays of {shape_text((None, *shape))}",
            field=place,
        )
        for name, shape, other in pairs
        if shape != other
    ]


@dataclass(frozen=True)
class Mixing:
    """How new and old examples make up the batches of an epoch, which passes over the new ones once.

    The old ones go round: none comes a second time before each has come once, over all epochs of a stage.

    Args:
        new: How many new examples there are.
        old: How many old ones; they are counted on behind the new ones.
        batch_size: Examples in a batch.
        old_in_batch: How many of them are old. The last batch, which may be smaller, has them in proportion, and at least one.
    """

    new: int
    old: int
    batch_size: int
    old_in_batch: int

    def __len__(self) -> int:
        """The examples of an epoch."""
        return self.new + self._drawn

    def order(self, new: Indices, go_round: Callable[[int], Indices], epoch: int) -> Indices:
        """All batches of an epoch, one behind the other, the new examples first in each.

        Args:
            new: The order of the new examples.
            go_round: The order of the old ones the first time, the second time, and so on, from 0.
            epoch: The epoch, from 0.
        """
        drawn = self._draw(go_round, epoch * self._drawn, self._drawn) + self.new
        step = self.batch_size - self.old_in_batch
        parts: list[Indices] = []
        taken = 0
        for first in range(0, self.new, step):
            some = new[first : first + step]
            count = self._old_beside(len(some))
            parts += [some, drawn[taken : taken + count]]
            taken += count
        return np.concatenate(parts)

    @property
    def _drawn(self) -> int:
        """The old examples of an epoch."""
        whole, rest = divmod(self.new, self.batch_size - self.old_in_batch)
        return whole * self.old_in_batch + (self._old_beside(rest) if rest else 0)

    def _old_beside(self, new: int) -> int:
        return max(1, round(new * self.old_in_batch / (self.batch_size - self.old_in_batch)))

    def _draw(self, go_round: Callable[[int], Indices], first: int, count: int) -> Indices:
        parts: list[Indices] = []
        while count:
            number, place = divmod(first, self.old)
            some = go_round(number)[place : place + count]
            parts.append(some)
            first, count = first + len(some), count - len(some)
        return np.concatenate(parts)


def mixed_order(mixing: Mixing, seed: int, stage: str, is_shuffled: bool, epoch: int) -> Indices:
    """The order of an epoch of a stage: a pure function, like that of training without old examples."""

    def go_round(number: int) -> Indices:
        return permutation(seed, f"{stage}, old", number, mixing.old) if is_shuffled else np.arange(mixing.old)

    new = permutation(seed, stage, epoch, mixing.new) if is_shuffled else np.arange(mixing.new)
    return mixing.order(new, go_round, epoch)


def _together(first: Any, second: Any, places: Indices) -> Any:
    """Two batches of one array, or of several, as one in the order of `places`."""
    if isinstance(first, tuple):
        return packed([_together(a, b, places) for a, b in zip(first, second, strict=True)])
    return np.concatenate([first, second])[places]
