"""What happens to inputs on their way from the file to the model: preprocess, scale, offset, dtype."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import keras
import numpy as np

from surgery.errors import InvalidValue
from surgery.model.nearest import did_you_mean
from surgery.recipe.data import FileData
from surgery.training.examples import Array, Prepare
from surgery.training.place import Field


def preparation(source: FileData, preprocess: str | None, model: Any, field: Field) -> Prepare:
    """A function from a batch as stored to a batch as the model takes it.

    Args:
        source: What the recipe says about scale, offset and dtype.
        preprocess: A model of `keras.applications` whose own preprocessing comes first.
        model: Its input's dtype is the default.
        field: The source's keys in the recipe.
    """
    before = _of_application(preprocess, field) if preprocess else None
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


def _of_application(name: str, field: Field) -> Any:
    modules = [module for module in vars(keras.applications).values() if isinstance(module, ModuleType)]
    known = {word: m for m in modules if hasattr(m, "preprocess_input") for word in vars(m) if word[0].isupper()}
    if name not in known:
        raise InvalidValue(
            f"keras.applications has no '{name}' with a preprocess_input",
            expected=f"one of {', '.join(sorted(known))}",
            fix=did_you_mean(name, known),
            field=(*field, "preprocess"),
        )
    return known[name].preprocess_input
