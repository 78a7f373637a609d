"""Which values of a variable are carried over from a trained model, and which begin anew.

Rows move as a whole, axis by axis. So for each axis it is enough to say which row of the stored variable each row has.
"""

from __future__ import annotations

import math

from surgery.model.weights import (
    NEW,
    Averaged,
    Cast,
    Fresh,
    Indices,
    Overlap,
    Resampled,
    Sliced,
    Stored,
    WeightSource,
)

Rows = tuple[Indices, ...]
"""For each axis, and each row along it, the row of the stored variable that it is; `NEW` where it is none."""


def carried(source: WeightSource, shape: tuple[int, ...]) -> Rows:
    """The rows of a variable of this shape by where they come from. A value is carried where none of its rows is `NEW`."""
    match source:
        case Stored(shape=stored):
            return tuple(tuple(range(size)) for size in stored)
        case Averaged(parts=parts):
            return carried(parts[0][0], shape)
        case Overlap(of=of):
            return tuple(
                tuple(rows[place] if place < len(rows) else NEW for place in range(new))
                for rows, new in zip(carried(of, shape), shape, strict=True)
            )
        case Sliced(of=of, axes=axes):
            rows = list(carried(of, shape))
            for axis, indices in axes:
                rows[axis] = tuple(NEW if index == NEW else rows[axis][index] for index in indices)
            return tuple(rows)
        case Cast(of=of):
            return carried(of, shape)
        case Resampled(of=of, shape=new):
            return tuple(_stretched(rows, size) for rows, size in zip(carried(of, shape), new, strict=True))
        case Fresh():
            return tuple((NEW,) * size for size in shape) or ((NEW,),)


def carried_size(rows: Rows) -> int:
    """How many values are carried."""
    return math.prod(sum(row != NEW for row in axis) for axis in rows)


def _stretched(rows: Indices, size: int) -> Indices:
    """The nearest row for each of another number of them."""
    return tuple(rows[place * len(rows) // size] for place in range(size))
