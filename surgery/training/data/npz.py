"""An `.npz` file as a source of examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from surgery.errors import DataInvalid
from surgery.model.nearest import did_you_mean
from surgery.recipe.data import NpzData
from surgery.training.data.examples import Array, ArrayExamples, Examples
from surgery.training.data.npz_file import NpzFile
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
    if isinstance(names, str):
        if len(wanted) > 1:
            needed = "a map with" if field[-1] == "x" else "a map with one or more of"
            raise DataInvalid(
                f"the model has {len(wanted)} of these, and one array is given",
                expected=f"{needed} {', '.join(wanted)}",
                fix=f"{field[-1]}: {{{', '.join(f'{name}: ARRAY' for name in wanted)}}}",
                field=field,
            )
        return [(names, _array(file, names, field))]
    for key in names:
        if key not in wanted:
            raise DataInvalid(
                f"the model has no '{key}'",
                expected=f"a map with {', '.join(wanted)}",
                fix=did_you_mean(key, wanted),
                field=(*field, key),
            )
    if missing := [name for name in wanted if name not in names]:
        raise DataInvalid(
            f"no array is given for '{missing[0]}'", expected=f"a map with {', '.join(wanted)}", field=field
        )
    return [(names[key], _array(file, names[key], (*field, key))) for key in wanted]


def _array(file: NpzFile, name: str, field: Field) -> Array:
    if name not in file.names:
        raise DataInvalid(
            f"{file.path.name} has no array '{name}'",
            expected=f"one of {', '.join(file.names) or 'none: the file is empty'}",
            fix=did_you_mean(name, file.names),
            field=field,
        )
    array = at(field, lambda: file[name])
    if array.ndim == 0:
        raise DataInvalid(
            f"'{name}' is a single number", expected="an array with one entry for each example", field=field
        )
    return array


def _target(array: Array) -> Array:
    """Targets in a dtype that every loss takes."""
    if array.dtype.kind == "f":
        return np.asarray(array, keras.config.floatx())
    return np.asarray(array, "int64") if array.dtype.kind in "iu" else np.asarray(array)
