"""The initial values of new layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from surgery.errors import PromiseBroken
from surgery.execution.answers import symbolic
from surgery.execution.variables import stored_variables
from surgery.model.spec import LayerSpec, TensorSpec


def fresh_values(
    layer: LayerSpec, inputs: tuple[TensorSpec, ...], seed: int, trust: Sequence[str] = ()
) -> Mapping[str, np.ndarray[Any, Any]]:
    """The values that the layer's own initializers give, a pure function of layer, input shapes and seed.

    The layer is built alone, so that no other layer's random numbers come in between.
    """
    # Keras draws the seed of every initializer that has none from Python's generator. Keras 3.15.
    keras.utils.set_random_seed(seed)
    built, _ = symbolic(layer, inputs, layer.calls[0], trust)
    values = {key: np.asarray(keras.ops.convert_to_numpy(value)) for key, value in stored_variables(built).items()}
    missing = {weight.key for weight in layer.weights if weight.is_stored} - set(values)
    if missing:
        raise PromiseBroken(f"Keras builds '{layer.name}' without {sorted(missing)}, which the plan has")
    return values
