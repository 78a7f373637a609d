"""The scale of the loss in float16, without which small gradients are zero.

Keras scales the loss where the policy of the *model* is mixed_float16 (3.15). A model that was saved keeps its own, and a stage
sets the policy of its layers. So the recipe's optimizer is put into Keras' `LossScaleOptimizer` here, as Keras does for a model
that is built under that policy. bfloat16 has the range of float32 and needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

SCALED = "mixed_float16"


@dataclass(frozen=True, slots=True)
class LossScale:
    """What a stage multiplied its loss by, and divided its gradients by.

    Args:
        last: The factor at its end.
        skipped: Steps whose gradients were not finite, so that they changed no weight and halved the factor; None where nobody knows.
        steps: All steps; None where nobody knows.
    """

    last: float
    skipped: int | None
    steps: int | None


def within(optimizer: Any, precision: str, change: Callable[[Any], Any]) -> Any:
    """An optimizer, changed, and within one that scales the loss where the precision or the recipe asks for it.

    A recipe that gives its optimizer a fixed `loss_scale_factor` has that one.

    Args:
        optimizer: As the recipe has it.
        precision: The dtype policy.
        change: What makes another one of the optimizer that updates the variables.
    """
    options = {}
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        options = {name: getattr(optimizer, name) for name in ("initial_scale", "dynamic_growth_steps", "name")}
        optimizer = optimizer.inner_optimizer
    elif precision == SCALED and getattr(optimizer, "loss_scale_factor", None) is None:
        options = {"name": "loss_scale_optimizer"}
    changed = change(optimizer)
    return keras.optimizers.LossScaleOptimizer(changed, **options) if options else changed


def updating(optimizer: Any) -> Any:
    """The optimizer that updates the variables: within the one that scales the loss, if there is one."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def loss_scale(optimizer: Any, steps: int | None) -> LossScale | None:
    """What became of the scale of a stage; None where the loss was not scaled.

    Args:
        optimizer: That of the model, at the end of the stage.
        steps: The steps of the stage; None where nobody counts them.
    """
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        factor = getattr(optimizer, "loss_scale_factor", None)
        return None if factor is None else LossScale(float(factor), 0, steps)
    if not optimizer.built:
        return LossScale(float(optimizer.initial_scale), 0, 0)
    last = float(keras.ops.convert_to_numpy(optimizer.dynamic_scale))
    done = int(keras.ops.convert_to_numpy(updating(optimizer)._iterations))
    return LossScale(last, None if steps is None else steps - done, steps)
