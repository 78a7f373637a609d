"""What happens to inputs on their way from the file to the model: preprocess, scale, offset, dtype."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import keras
import numpy as np

from surgery.recipe.data import FileData
from surgery.training.data.examples import Array, Prepare


def preparation(source: FileData, preprocess: str | None, model: Any) -> Prepare:
    """A function from a batch as stored to a batch as the model takes it.

    Args:
        source: What the recipe says about scale, offset and dtype.
        preprocess: A model of `keras.applications` whose own preprocessing comes first.
        model: Its input's dtype is the default.
    """
    before = preprocess_input(preprocess) if preprocess else None
    dtypes = {tensor.dtype for tensor in model.inputs}
    dtype = source.dtype or (dtypes.pop() if len(dtypes) == 1 else None)
    scale, offset = np.float32(source.scale), np.float32(source.offset)
    moves = (source.scale, source.offset) != (1.0, 0.0)

    def prepare(batch: Array) -> Array:
        if before is not None:
            # A copy, for Keras 3.15 preprocesses NumPy arrays in place.
            batch = np.asarray(before(np.array(batch, "float32")))
        if moves:
            batch = batch.astype("float32") * scale + offset
        return np.asarray(batch) if dtype in (None, "string") else np.asarray(batch, dtype)

    return prepare


def preprocess_input(name: str) -> Any:
    """The `preprocess_input` that belongs to a model of `keras.applications`."""
    if name.startswith("MobileNetV3"):  # the one module of Keras 3.15 that does not hold its models
        return keras.applications.mobilenet_v3.preprocess_input
    modules = [module for module in vars(keras.applications).values() if isinstance(module, ModuleType)]
    return next(m.preprocess_input for m in modules if hasattr(m, name) and hasattr(m, "preprocess_input"))
