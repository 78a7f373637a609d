"""The values of a source, computed: the one place that knows what the words of the ledger mean in numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from surgery.model.weights import (
    NEW,
    Averaged,
    Cast,
    Fresh,
    Overlap,
    Resampled,
    Sliced,
    Stored,
    WeightSource,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

Read = Callable[[Stored], "NDArray[Any]"]
"""The values of a stored variable, out of the file that it is in."""
Make = Callable[[], "NDArray[Any]"]
"""The values that the layer's initializer gives the variable."""


def derive(source: WeightSource, read: Read, make: Make) -> NDArray[Any]:
    """The values of a variable.

    Args:
        source: Where they come from.
        read: Reads stored variables.
        make: Makes initial values for this variable; called only where some are needed.
    """
    match source:
        case Stored():
            return read(source)
        case Fresh():
            return make()
        case Overlap(of):
            return _overlap(derive(of, read, make), make())
        case Sliced(of, axes, Fresh()):
            return _placed(derive(of, read, make), axes, make())
        case Sliced(of, axes, rest):
            values = derive(of, read, make)
            for axis, indices in axes:
                values = _taken(values, axis, indices, is_mean=rest == "mean")
            return values
        case Averaged(parts):
            return _average([(read(stored), weight) for stored, weight in parts])
        case Cast(of, _, dtype):
            return in_dtype(derive(of, read, make), dtype)
        case Resampled(of, shape, grid):
            return _resampled(derive(of, read, make), shape, grid)


def in_dtype(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The values in a dtype that Keras names, rounded to the nearest number."""
    return values.astype(_dtype(dtype), copy=False)


def _overlap(old: NDArray[Any], fresh: NDArray[Any]) -> NDArray[Any]:
    values = fresh.copy()
    corner = tuple(slice(min(a, b)) for a, b in zip(values.shape, old.shape, strict=True))
    values[corner] = old[corner]
    return values


def _placed(old: NDArray[Any], axes: tuple[tuple[int, tuple[int, ...]], ...], fresh: NDArray[Any]) -> NDArray[Any]:
    """Old rows at their new places among fresh ones."""
    import numpy as np

    places = [range(size) for size in fresh.shape]
    rows = [range(size) for size in old.shape]
    for axis, indices in axes:
        pairs = [(place, index) for place, index in enumerate(indices) if index != NEW]
        places[axis], rows[axis] = ([pair[side] for pair in pairs] for side in (0, 1))  # type: ignore[call-overload]
    values = fresh.copy()
    values[np.ix_(*places)] = old[np.ix_(*rows)]
    return values


def _taken(old: NDArray[Any], axis: int, indices: tuple[int, ...], is_mean: bool) -> NDArray[Any]:
    """Rows along one axis; new ones are the mean of the old ones, or zero."""
    import numpy as np

    values = np.take(old, [max(index, 0) for index in indices], axis=axis)
    new = [place for place, index in enumerate(indices) if index == NEW]
    if new:
        at = (slice(None),) * axis + (new,)
        values[at] = old.mean(axis=axis, keepdims=True, dtype="float64").astype(old.dtype) if is_mean else 0
    return values


def _average(parts: list[tuple[NDArray[Any], float]]) -> NDArray[Any]:
    """The weighted mean, summed in double precision; whole numbers stay whole."""
    import numpy as np

    first = parts[0][0]
    total = np.zeros(first.shape, "float64")
    for values, weight in parts:
        total += values.astype("float64") * weight
    is_whole = first.dtype.kind in "iu"
    return (np.rint(total) if is_whole else total).astype(first.dtype)


def _resampled(old: NDArray[Any], shape: tuple[int, ...], grid: tuple[int, ...] | None) -> NDArray[Any]:
    """Linear interpolation along every axis whose size differs, pixel centres aligned as in Keras' resizing."""
    values = old.astype("float64")
    if grid is not None:
        side = round(shape[0] ** 0.5)
        values = values.reshape(*grid, *old.shape[1:])
        for axis in (0, 1):
            values = _stretched(values, axis, side)
        return values.reshape(shape).astype(old.dtype)
    for axis, size in enumerate(shape):
        if size != values.shape[axis]:
            values = _stretched(values, axis, size)
    return values.astype(old.dtype)


def _stretched(values: NDArray[Any], axis: int, size: int) -> NDArray[Any]:
    import numpy as np

    before = values.shape[axis]
    at = np.clip((np.arange(size) + 0.5) * before / size - 0.5, 0, before - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, before - 1)
    share = (at - low).reshape([-1 if n == axis else 1 for n in range(values.ndim)])
    stretched: NDArray[Any] = np.take(values, low, axis) * (1 - share) + np.take(values, high, axis) * share
    return stretched


def _dtype(name: str) -> Any:
    from surgery.model.hdf5 import numpy_dtype

    return numpy_dtype(name)
