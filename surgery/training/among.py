"""A model whose answer is looked for among some of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from surgery.errors import DataInvalid
from surgery.training.data.check import outputs_of

NEVER = -1e9
"""A logit of which no probability is left in float32."""


def among(model: Any, classes: Sequence[int] | None) -> Any:
    """The same model, where the units of all other classes say nothing; itself where nothing is chosen.

    Args:
        model: A Keras model with one output. It shares its layers with the one that is returned.
        classes: The classes to choose from. Those that this model does not have are left out.

    Raises:
        DataInvalid: It has several outputs, or fewer than two of these classes.
    """
    if classes is None:
        return model
    outputs = outputs_of(model)
    if len(outputs) > 1:
        raise DataInvalid(
            f"classes are chosen, and the model has {len(outputs)} outputs",
            expected="a model with one output",
            fix="leave classes out",
        )
    units = outputs[0].units or 0
    chosen = [index for index in classes if index < units]
    if len(chosen) < 2:
        raise DataInvalid(
            f"'{outputs[0].name}' has {units} units, and so {len(chosen)} of the classes {list(classes)}",
            expected=f"at least two of 0 to {units - 1}",
        )
    low = 0.0 if outputs[0].activation in ("softmax", "sigmoid") else NEVER
    whole = getattr(model, "_functional", None) or model
    (output,) = keras.tree.flatten(whole.outputs)
    mask = np.isin(np.arange(units), chosen)
    return keras.Model(whole._inputs_struct, keras.ops.where(mask, output, low))
