"""Large arrays, block by block: what lies in a mapped file is read once, in order, and given back to the system.

Only a few megabytes of a mapped file are in this process' memory at a time, however large a variable is.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 1 << 19
"""Bytes in a block: two of them and their comparison fit the second-level cache."""
HELD = 1 << 24
"""Bytes of a mapped file that are held before they are given back."""


def blocks(*arrays: NDArray[Any], size: int = BLOCK) -> Iterator[tuple[NDArray[Any], ...]]:
    """The arrays in flat, parallel blocks of about `size` bytes each, in C order.

    Args:
        arrays: Of one shape.
        size: How large a block is to be.
    """
    rows = [_as_rows(array, all(one.flags.c_contiguous for one in arrays)) for array in arrays]
    if not rows[0].size:
        return
    item = max(array.itemsize for array in arrays) * max(1, rows[0][:1].size)
    step, pages = max(1, size // item), [_Pages(array) for array in arrays]
    for mapped in pages:
        mapped.ask_ahead(0)
    for start in range(0, len(rows[0]), step):
        yield tuple(array[start : start + step].reshape(-1) for array in rows)
        for mapped in pages:
            mapped.passed((start + step) * item)
            mapped.ask_ahead((start + step) * item)
    for mapped in pages:
        mapped.passed(rows[0].size * item, last=True)


def _as_rows(array: NDArray[Any], is_flat: bool) -> NDArray[Any]:
    """A flat view where there is one; else slices along the first axis, so that a block alone is copied."""
    return array.reshape(-1) if is_flat or not array.ndim else array


class _Pages:
    """The pages of a mapped file under an array, given back once they have been read."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._map = _mapped(array) if array.flags.c_contiguous else None
        self._given = 0
        if self._map is None:
            return
        self._start = _address(array) - _map_address(self._map)
        self._end = self._start + array.nbytes
        self._asked = 0

    def ask_ahead(self, count: int) -> None:
        """Has the system read what comes next from the disk, while what is there is computed with."""
        if self._map is None or self._asked - count > HELD // 2:
            return
        page = mmap.ALLOCATIONGRANULARITY
        first = (self._start + self._asked) // page * page
        end = min(self._start + count + HELD, self._end)
        if end > first:
            self._map.madvise(mmap.MADV_WILLNEED, first, end - first)
        self._asked = count + HELD

    def passed(self, count: int, last: bool = False) -> None:
        """So many bytes of the array have been read."""
        if self._map is None or (count - self._given < HELD and not last):
            return
        page = mmap.ALLOCATIONGRANULARITY
        first = (self._start + self._given) // page * page
        end = min(self._start + count, self._end) // page * page
        if end > first:
            self._map.madvise(mmap.MADV_DONTNEED, first, end - first)
        self._given = count


def _mapped(array: NDArray[Any]) -> mmap.mmap | None:
    """The file mapping that an array looks into. None also where the system cannot take pages back one by one."""
    base: Any = array
    while getattr(base, "base", None) is not None:
        base = base.base
    base = base.obj if isinstance(base, memoryview) else base
    return base if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _map_address(mapped: mmap.mmap) -> int:
    import numpy as np

    return _address(np.frombuffer(mapped, dtype=np.uint8, count=1))


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays of one shape and dtype hold the same bytes: NaN is itself, and 0.0 is not -0.0."""
    return all(block_is_same(a, b) for a, b in blocks(one, other))


def is_finite(array: NDArray[Any]) -> bool:
    """Whether no value is NaN or infinite. Integers, texts and bytes always are finite."""
    import numpy as np

    try:
        return all(bool(np.isfinite(block).all()) for (block,) in blocks(array))
    except TypeError:  # no numbers to NumPy
        return True


def block_is_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """`same_bits` of two flat blocks, in the widest words that both are aligned to."""

    word = _word(one, other)
    return bool((one.view(word) == other.view(word)).all())


def _word(one: NDArray[Any], other: NDArray[Any]) -> np.dtype[Any]:
    import numpy as np

    misaligned = _address(one) | _address(other) | one.nbytes
    return np.dtype("u1" if misaligned % 8 else "u8")
