"""An optimizer of Keras in which each layer has a learning rate and a weight decay of its own, and the rate warms up.

Scaling gradients would not do: Adam divides by their size. So the rate is scaled where the optimizer uses it, in
`update_step(gradient, variable, learning_rate)`, variable by variable (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from surgery.execution.keras_objects import same_as
from surgery.planning.rates import Rate
from surgery.training.layers import walk


@dataclass(frozen=True)
class Pace:
    """How fast the layers of a stage learn.

    Args:
        rates: What is special about layers, by path; what a wrapper owns goes with the wrapper.
        warmup: Steps in which the rate grows to its full height.
    """

    rates: Mapping[str, Rate] = field(default_factory=dict)
    warmup: int = 0

    def of(self, model: Any) -> dict[int, Rate]:
        """The rates of the model's variables, by identity."""
        found: dict[int, Rate] = {}
        for path, layer in walk(model):
            rate = self._rate(path)
            if rate is not None:
                found |= {id(variable): rate for variable in layer._trainable_variables}
        return found

    def _rate(self, path: str) -> Rate | None:
        while path and path not in self.rates:
            path = path.rpartition("/")[0]
        return self.rates.get(path)


def paced(optimizer: Any, model: Any, pace: Pace) -> Any:
    """The same optimizer, with the same arguments, at another pace for some variables; itself where nothing is special."""
    known = pace.of(model)
    if not known and not pace.warmup:
        return optimizer
    return remade(optimizer, lambda base: _paced_class(base, known, pace.warmup))


def remade(optimizer: Any, subclass: Callable[[Any], Any]) -> Any:
    """The same optimizer, with the same arguments, of a subclass of its class that sees each variable alone."""
    base, config = type(optimizer), optimizer.get_config()
    if keras.backend.backend() == "torch" and base.__module__.startswith("keras."):
        # There Keras makes a subclass that updates all variables at once, at one rate.
        base = getattr(keras.optimizers, base.__name__, base)
    if callable(optimizer._learning_rate):
        config["learning_rate"] = optimizer._learning_rate
    return same_as(subclass(base), config)


def _paced_class(base: Any, known: Mapping[int, Rate], warmup: int) -> Any:
    rates: list[Rate] = []

    class Paced(base):  # type: ignore[misc]
        def build(self, variables: Sequence[Any]) -> None:
            super().build(variables)
            rates[:] = [known.get(id(variable), Rate()) for variable in variables]

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> Any:
            rate = rates[self._get_variable_index(variable)]
            return super().update_step(gradient, variable, self._warm(learning_rate) * rate.multiplier)

        def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
            for variable in variables:
                rate = rates[self._get_variable_index(variable)]
                decay = self.weight_decay if rate.weight_decay is None else rate.weight_decay
                if decay and self._use_weight_decay(variable):
                    factor = self._warm(self.learning_rate) * (rate.multiplier * decay)
                    variable.assign(variable - variable * keras.ops.cast(factor, variable.dtype))

        def _warm(self, learning_rate: Any) -> Any:
            if not warmup:
                return learning_rate
            done = keras.ops.cast(self._iterations + 1, "float32") / warmup
            return learning_rate * keras.ops.minimum(done, 1.0)

    Paced.__name__ = base.__name__
    return Paced
