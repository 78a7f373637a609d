"""A trusted Python function as a source of examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from surgery.errors import DataInvalid
from surgery.execution.custom import load
from surgery.recipe.data import FactoryData, FileData
from surgery.training.data.examples import ArrayExamples, Examples, Stream
from surgery.training.data.prepare import preparation
from surgery.training.place import Place, at, same_length


def open_factory(source: FactoryData, model: Any, place: Place) -> Examples | Stream:
    """What a granted Python function returns: a stream of batches, or arrays."""
    field = (*place.field, "factory")
    module, _, name = source.factory.partition(":")
    made = at(field, lambda: load(module, name, place.trust))(**source.arguments)
    if isinstance(made, keras.utils.PyDataset) or type(made).__module__.startswith("tensorflow."):
        return Stream(made)
    if isinstance(made, tuple) and len(made) in {2, 3}:
        x, y, *weight = (np.asarray(part) for part in made)
        same_length({"x": x, "y": y}, Path(name), field)
        prepare = preparation(FileData(), None, model)
        return ArrayExamples((x,), (y,), ("x",), prepare, weight[0] if weight else None).settled()
    raise DataInvalid(
        f"{source.factory} returned a {type(made).__name__}",
        expected="a tf.data.Dataset or keras.utils.PyDataset of batches, or arrays (x, y) or (x, y, sample_weight)",
        field=field,
    )
