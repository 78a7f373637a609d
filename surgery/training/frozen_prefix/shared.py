"""Evaluations without the frozen layers that the source model and the result have in common: those are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from surgery.planning.prefix import Prefix
from surgery.training.data.examples import Examples, Stream
from surgery.training.frozen_prefix.agreement import agreement
from surgery.training.frozen_prefix.features import Budget, Featured, featured, prefix_key
from surgery.training.frozen_prefix.halves import Halves, halves

WORTH = 10**11
"""Multiplications from which on it pays: below, a few seconds at most, making two models of one takes longer."""


@dataclass
class _Parted:
    """A model in two, and whether that gives the same bits, by dtype policy and the sizes of the batches."""

    model: Any
    halves: Halves
    exact: dict[tuple[str, int, int], bool] = field(default_factory=dict)

    def is_exact(self, data: Examples, found: Featured, batch_size: int, policy: str) -> bool:
        """Whether it does: looked at once, on the first batch and on the last, which may be a smaller one."""
        sizes = (policy, batch_size, len(data))
        if sizes not in self.exact:
            near = agreement(self.model, self.halves, data, found.examples, batch_size, None, policy)
            self.exact[sizes] = near.exact
        return self.exact[sizes]


@dataclass
class SharedPrefix:
    """What evaluations compute once, where that is exact and pays.

    Args:
        prefix: Where the plan cuts.
        multiply_adds: Those of the layers before the cut, for one example.
        times: How often a run measures each evaluation.
        budget: The room for features; None, or none on disk, computes everything every time.
        device: `cpu` or `gpu`.
    """

    prefix: Prefix
    multiply_adds: int
    times: int
    budget: Budget | None
    device: str
    _now: _Parted | None = None
    _uses: dict[str, list[Featured]] = field(default_factory=dict)

    def apart(self, name: str, model: Any, data: Examples | Stream, batch_size: int) -> tuple[Any, Examples | Stream]:
        """What to evaluate in place of a whole model and its examples: the rest of the model, and features.

        Args:
            name: What the evaluation is called.
            model: The source model, or the result as it is now.
            data: The examples.
            batch_size: The examples of a step.
        """
        if isinstance(data, Stream) or not self._pays(len(data)) or self.budget is None:
            return model, data
        if self._now is None or self._now.model is not model:
            self._now = _Parted(model, halves(model, self.prefix))
        parts, policy = self._now.halves, keras.config.dtype_policy().name
        key = prefix_key(self.prefix, parts.prefix, self.device, policy)
        found = featured(data, parts.prefix, key, batch_size, self.budget)
        if found is None or not self._now.is_exact(data, found, batch_size, policy):
            return model, data
        self._uses.setdefault(name, []).append(found)
        return parts.tail, found.examples

    @property
    def described(self) -> tuple[str, ...]:
        """What was saved, in a sentence for each evaluation."""
        return tuple(self._described(name, uses) for name, uses in self._uses.items())

    def _pays(self, examples: int) -> bool:
        has_room = self.budget is not None and self.budget.disk > 0
        return has_room and bool(self.prefix.cut) and self.multiply_adds * examples * (self.times - 1) >= WORTH

    def _described(self, name: str, uses: Sequence[Featured]) -> str:
        computed = [one for one in uses if not one.is_reused]
        made = f"computed {_times(len(computed))} in {sum(one.seconds for one in computed):.1f} s, " if computed else ""
        read = f"read {_times(len(uses) - len(computed))} from the cache"
        layers = "1 frozen layer" if len(self.prefix.layers) == 1 else f"{len(self.prefix.layers)} frozen layers"
        return f"{name}: {layers} for {len(uses[0].examples):,} examples {made}{read}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
