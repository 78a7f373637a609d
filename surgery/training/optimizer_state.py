"""What an optimizer keeps beside each variable, handed on: from stage to stage, and from a file to the first stage.

A stage counts its own steps from 0, so that its schedule and its warm-up begin with it. What goes on with a variable is what
belongs to the variable: the numbers beside it (Adam's momentum and velocity), and how many updates these are the mean of. Adam
divides by a correction that follows from that count. With one count for all, a variable that starts to train in a later stage
would take its first steps about three times too large; with a fresh one, a variable that goes on would be corrected for a start
that was long ago. So every variable has a count of its own (`iterations`, as `update_step` sees it; Keras 3.15).

A mean over weights (`use_ema`) and accumulated gradients belong to the stage, and begin with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from surgery.training.data.examples import Array
from surgery.training.layers import walk
from surgery.training.loss_scale import updating
from surgery.training.rates import remade

Name = tuple[str, int]
"""A variable by the path of the layer that owns it, and its place among those that the layer made to be trained."""

OF_THE_STAGE = frozenset({"average", "gradient_accumulator"})
"""What an optimizer keeps beside variables, and begins anew in each stage."""


@dataclass(frozen=True)
class OptimizerState:
    """What goes on.

    Args:
        slots: The numbers beside each variable, by what the optimizer calls them.
        updates: How many updates of each variable they come from.
    """

    slots: Mapping[tuple[str, int, str], Array] = field(default_factory=dict)
    updates: Mapping[Name, int] = field(default_factory=dict)


NOTHING = OptimizerState()
"""Where no stage goes on with anything."""


def names(model: Any) -> dict[int, Name]:
    """The names of a model's variables, by identity."""
    found: dict[int, Name] = {}
    for path, layer in walk(model):
        for number, variable in enumerate(layer._trainable_variables):
            found.setdefault(id(variable), (path, number))
    return found


def handing_on(optimizer: Any, *, goes_on: bool = False) -> Any:
    """The same optimizer, which knows what each of its own variables stands beside.

    Args:
        optimizer: One of Keras' whose whole state stands beside single variables.
        goes_on: Whether it takes up a state; then it counts the updates of each variable by itself.
    """
    return remade(optimizer, lambda base: _handing_on_class(base, goes_on))


def take_up(model: Any, state: OptimizerState) -> None:
    """Gives the optimizer of a compiled model the state of the variables that it trains and that have one."""
    optimizer, known = _built(model), names(model)
    updates = []
    for number, variable in enumerate(optimizer._trainable_variables):
        name = known.get(id(variable))
        updates.append(state.updates.get(name, 0) if name else 0)
        for slot, kept in optimizer.slots[number].items():
            values = state.slots.get((*name, slot)) if name else None
            if values is not None and slot not in OF_THE_STAGE:
                kept.assign(values)
    optimizer.updates_before.assign(updates)


def state_of(model: Any) -> OptimizerState:
    """The state of the optimizer of a compiled model."""
    optimizer, known = _built(model), names(model)
    before = optimizer.updates_before
    done = int(keras.ops.convert_to_numpy(optimizer.iterations))
    earlier = [0] * len(optimizer.slots) if before is None else keras.ops.convert_to_numpy(before)
    slots: dict[tuple[str, int, str], Array] = {}
    updates: dict[Name, int] = {}
    for variable, kept, count in zip(optimizer._trainable_variables, optimizer.slots, earlier, strict=True):
        name = known[id(variable)]
        updates[name] = int(count) + done
        for slot, values in kept.items():
            slots[*name, slot] = np.array(keras.ops.convert_to_numpy(values))
    return OptimizerState(slots, updates)


def _built(model: Any) -> Any:
    """The optimizer that updates the model's variables, with its own variables made."""
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    return updating(optimizer)


def _handing_on_class(base: Any, goes_on: bool) -> Any:
    # Outside of the optimizer, whose attributes Keras and TensorFlow track.
    beside: list[tuple[int, dict[str, Any]]] = []
    earlier: list[Any] = [0]

    class HandingOn(base):  # type: ignore[misc]
        updates_before: Any = None
        """How many updates each variable had before this stage."""

        @property
        def slots(self) -> list[dict[str, Any]]:
            """What stands beside each variable, by its name."""
            return [kept for _, kept in beside]

        def build(self, variables: Sequence[Any]) -> None:
            if self.built:
                return
            beside[:] = [(id(variable), {}) for variable in variables]
            super().build(variables)
            if goes_on:
                self.updates_before = self.add_variable(
                    (len(variables),), initializer="zeros", dtype="int32", name="updates_before"
                )

        def add_variable_from_reference(
            self, reference_variable: Any, name: Any = None, initializer: Any = "zeros"
        ) -> Any:
            made = super().add_variable_from_reference(reference_variable, name=name, initializer=initializer)
            dict(beside)[id(reference_variable)][name or "var"] = made
            return made

        @property
        def iterations(self) -> Any:
            return super().iterations + earlier[0] if goes_on else super().iterations

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> Any:
            if not goes_on:
                return super().update_step(gradient, variable, learning_rate)
            before = self.updates_before[self._get_variable_index(variable)]
            earlier[0] = keras.ops.cast(before, self._iterations.dtype)
            try:
                return super().update_step(gradient, variable, learning_rate)
            finally:
                earlier[0] = 0

    HandingOn.__name__ = base.__name__
    return HandingOn
