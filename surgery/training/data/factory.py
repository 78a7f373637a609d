"""A trusted Python function as a source of examples."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from surgery.errors import DataInvalid
from surgery.execution.custom import load
from surgery.execution.users_code import users_errors
from surgery.recipe.data import FactoryData, FileData
from surgery.training.data.examples import ArrayExamples, Examples, Stream
from surgery.training.data.prepare import preparation
from surgery.training.data.stream import is_streamed, stream_of
from surgery.training.place import Place, at, same_length


def open_factory(source: FactoryData, model: Any, place: Place) -> Examples | Stream:
    """What a granted Python function returns: a stream of batches, or arrays."""
    field = (*place.field, "factory")
    module, _, name = source.factory.partition(":")
    made = at(field, lambda: _made(module, name, source, place))
    if isinstance(made, Stream):
        return made
    if isinstance(made, tuple) and len(made) in {2, 3}:
        x, y, *weight = (np.asarray(part) for part in made)
        same_length({"x": x, "y": y}, Path(name), field)
        prepare = preparation(FileData(), None, model)
        return ArrayExamples((x,), (y,), ("x",), prepare, weight[0] if weight else None).settled()
    is_generator = isinstance(made, Iterator)
    raise DataInvalid(
        f"{source.factory} returned a {type(made).__name__}"
        + (", which can be gone through once" if is_generator else ""),
        expected="a tf.data.Dataset or keras.utils.PyDataset of batches, or arrays (x, y) or (x, y, sample_weight)",
        fix="tf.data.Dataset.from_generator, which begins anew for each epoch" if is_generator else None,
        field=field,
    )


def _made(module: str, name: str, source: FactoryData, place: Place) -> Any:
    """What the function returns; a stream with the number of its batches.

    Raises:
        CodeFailed: The user's code raised something.
    """
    with users_errors(place.trust):
        function = load(module, name, place.trust)
        try:
            signature(function).bind(**source.arguments)
        except TypeError as error:
            what = f"{source.factory} does not take these arguments: {error}"
            raise DataInvalid(
                what, expected=f"{name}{signature(function)}", field=(*place.field, "arguments")
            ) from error
        except ValueError:  # one of C's that says nothing
            pass
        made = function(**source.arguments)
        return stream_of(made) if is_streamed(made) else made
