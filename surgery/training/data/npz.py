"""An `.npz` file as a source of examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from surgery.recipe.data import NpzData
from surgery.training.data.examples import Array, ArrayExamples, Examples
from surgery.training.data.npz_file import NpzFile, chosen, found, single_number
from surgery.training.data.prepare import preparation
from surgery.training.layers import output_names
from surgery.training.place import Field, Place, at, existing, same_length


def open_npz(source: NpzData, model: Any, place: Place) -> Examples:
    """The arrays of a file as examples, in the order of the model's inputs and outputs."""
    path = existing(place.folder / source.npz, (*place.field, "npz"))
    file = at((*place.field, "npz"), lambda: NpzFile(path))
    x = _arrays(file, source.x, [tensor.name for tensor in model.inputs], (*place.field, "x"))
    y = _arrays(file, source.y, output_names(model), (*place.field, "y"))
    weight = None
    if source.sample_weight is not None:
        weight = _array(file, source.sample_weight, (*place.field, "sample_weight")).astype("float32")
    same_length(dict(x + y) | ({} if weight is None else {str(source.sample_weight): weight}), path, place.field)
    prepare = preparation(source, source.preprocess, model)
    names, inputs = zip(*x, strict=True)
    return ArrayExamples(inputs, tuple(_target(array) for _, array in y), names, prepare, weight).settled()


def _arrays(file: NpzFile, names: str | Mapping[str, str], wanted: list[str], field: Field) -> list[tuple[str, Array]]:
    """The arrays with their names in the file, in the order of the model's inputs or outputs."""
    return [(name, _array(file, name, key)) for name, key in chosen(file, names, wanted, field)]


def _array(file: NpzFile, name: str, field: Field) -> Array:
    found(file, name, field)
    array = at(field, lambda: file[name])
    if array.ndim == 0:
        raise single_number(name, field)
    return array


def _target(array: Array) -> Array:
    """Targets in a dtype that every loss takes."""
    if array.dtype.kind == "f":
        return np.asarray(array, keras.config.floatx())
    return np.asarray(array, "int64") if array.dtype.kind in "iu" else np.asarray(array)
