"""Values of variables, compared: whether they are the same bits, how alike they are, how far they moved."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from surgery.model.archive.ranges import Range, same_range
from surgery.model.archive.values import WeightValues
from surgery.model.blocks import blocks, same_bits
from surgery.model.changes.difference import Statistics
from surgery.model.counterparts import counterparts
from surgery.model.fingerprint import Values
from surgery.model.spec import LayerSpec, ModelSpec, WeightSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBE = 1024
"""Entries at the beginning of a variable that tell it from others before all of it is compared."""
SAMPLE = 1 << 16
"""Entries from which likeness is judged."""
BY_CHANCE = 4.0
"""Standard deviations: the correlation of n values that have nothing to do with each other is about 1 / sqrt(n)."""
STATISTICS_BLOCK = 1 << 17

Fresh = Mapping[tuple[str, str], str]
"""What values that are not made yet follow from, by layer path and key."""


Name = tuple[str, str]
"""A variable: the path of its layer, and its key in it."""


class Variables:
    """The variables of two models. Equality is found once for each pair, and remembered."""

    def __init__(self, old: Values | None, new: Values | None, fresh: tuple[Fresh, Fresh] | None = None) -> None:
        self._sides = (old, new) if old is not None and new is not None else None
        self._fresh: tuple[Fresh, Fresh] = fresh or ({}, {})
        self._equal: dict[tuple[Name, Name], bool] = {}

    @property
    def has_values(self) -> bool:
        return self._sides is not None

    def pair(self, old: Name, new: Name) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Both sides' values of a variable, where both are known."""
        if self._sides is None or old not in self._sides[0] or new not in self._sides[1]:
            return None
        return self._sides[0][old], self._sides[1][new]

    def equal(self, old: Name, new: Name) -> bool:
        """Whether a variable is the same on both sides, bit for bit; when no values are known, shapes must do.

        Values that are not made yet are the same when they follow from the same.
        """
        found = self._equal.get((old, new))
        if found is None:
            made = self.made_from(old, new)
            found = made[0] == made[1] and self._is_same(old, new)
            self._equal[old, new] = found
        return found

    def _is_same(self, old: Name, new: Name) -> bool:
        if self._sides is None:
            return True
        one, other = _range(self._sides[0], old), _range(self._sides[1], new)
        if one and other:
            return same_range(one, other)
        arrays = self.pair(old, new)
        return arrays is None or _is_same(*arrays)

    def made_from(self, old: Name, new: Name) -> tuple[str | None, str | None]:
        """What the values of both sides will be made from; None for values that are there already."""
        return self._fresh[0].get(old), self._fresh[1].get(new)

    def all_equal(self, old: tuple[str, LayerSpec], new: tuple[str, LayerSpec]) -> bool:
        """Whether two layers have the same variables with the same values."""
        if shapes(old[1]) != shapes(new[1]):
            return False
        same = counterparts(old[1].weights, new[1].weights)
        if len(same) < len(old[1].weights):
            return False
        keys = sorted(same, key=lambda key: math.prod(same[key].shape))
        return all(self.equal((old[0], key), (new[0], same[key].key)) for key in keys)

    def probe(self, side: int, path: str, layer: LayerSpec) -> bytes | None:
        """The beginning of each variable; None when that tells nothing (no values, or constants such as zeros)."""
        if self._sides is None:
            return None
        values = self._sides[side]
        starts = [_start(values, (path, w.key)) for w in layer.weights if (path, w.key) in values]
        return b"".join(start for start, _ in starts) if any(_is_distinctive(*start) for start in starts) else None

    def likeness(self, old: tuple[str, LayerSpec], new: tuple[str, LayerSpec]) -> float | None:
        """How alike samples of the largest variable of two layers are, at most 1; None when values tell nothing.

        It is the correlation, since scales of two normalizations are all near 1, less what a few values have by chance.
        """
        largest = max(old[1].weights, key=lambda weight: weight.size, default=None)
        arrays = self.pair((old[0], largest.key), (new[0], largest.key)) if largest else None
        if arrays is None or arrays[0].shape != arrays[1].shape or not _is_distinctive(*_start_of(arrays[0])):
            return None
        found = _correlation(*arrays)
        chance = BY_CHANCE / math.sqrt(min(arrays[0].size, SAMPLE))
        return found - max(0.0, chance - 0.5) if math.isfinite(found) else 0.0


def _correlation(*arrays: NDArray[Any]) -> float:
    import numpy as np

    samples = [array.reshape(-1)[:SAMPLE] if array.flags.c_contiguous else array.flat[:SAMPLE] for array in arrays]
    with np.errstate(all="ignore"):
        return statistics(*(sample.astype("float64") - sample.mean(dtype="float64") for sample in samples)).cosine


def shapes(layer: LayerSpec) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    return tuple(sorted((weight.key, weight.shape, weight.dtype) for weight in layer.weights))


def _is_same(old: NDArray[Any], new: NDArray[Any]) -> bool:
    return old.shape == new.shape and old.dtype == new.dtype and same_bits(old, new)


def _range(values: Values, variable: tuple[str, str]) -> Range | None:
    """Where the bytes of a variable lie, if it is a file that holds them."""
    return values.range_of(variable) if isinstance(values, WeightValues) and variable in values else None


def _start(values: Values, variable: tuple[str, str]) -> tuple[bytes, int]:
    """The first numbers of a variable as bytes, and how many bytes each of them has."""
    found = _range(values, variable)
    return (found.start(PROBE), found.item) if found else _start_of(values[variable])


def _start_of(array: NDArray[Any]) -> tuple[bytes, int]:
    start = array.reshape(-1)[:PROBE] if array.flags.c_contiguous else array.flat[:PROBE]
    return start.tobytes(), array.itemsize


def _is_distinctive(start: bytes, item: int) -> bool:
    """Whether the values could hardly be the same by chance: not a handful, not a constant."""
    return len(start) >= 8 * item and len({start[i : i + item] for i in range(0, len(start), item)}) >= 3


def statistics(old: NDArray[Any], new: NDArray[Any]) -> Statistics:
    """How far values of one shape moved, in double precision, in one pass over both."""
    import numpy as np

    old_square = new_square = moved_square = 0.0
    differing = 0
    room = [np.empty(0), np.empty(0)]
    for one, other in blocks(old, new, size=STATISTICS_BLOCK):
        if len(room[0]) < len(one):
            room = [np.empty(len(one)), np.empty(len(one))]
        a, b = room[0][: len(one)], room[1][: len(one)]
        np.copyto(a, one, casting="unsafe")
        np.copyto(b, other, casting="unsafe")
        differing += int(np.count_nonzero(a != b))
        with np.errstate(all="ignore"):
            old_square += _square(a)
            new_square += _square(b)
            moved_square += _square(np.subtract(b, a, out=a))
    return Statistics(
        relative_norm=math.sqrt(moved_square / old_square) if old_square else math.inf if moved_square else 0.0,
        cosine=_cosine(old_square, new_square, moved_square),
        share=differing / old.size if old.size else 0.0,
    )


def _square(values: NDArray[Any]) -> float:
    """einsum, not dot: BLAS starts threads for it, which wait for each other on a busy machine."""
    import numpy as np

    return float(np.einsum("i,i->", values, values))


def _cosine(old: float, new: float, moved: float) -> float:
    """From the squared norms of both sides and of their difference, which loses nothing where they are nearly equal."""
    if not (old and new and math.isfinite(old + new + moved)):
        return math.nan
    return max(-1.0, min(1.0, (old + new - moved) / (2 * math.sqrt(old) * math.sqrt(new))))


def size_of(model: ModelSpec) -> int:
    """Bytes of all variables of a model."""
    return sum(_bytes(weight) for _, layer in model.walk() for weight in layer.weights)


def _bytes(weight: WeightSpec) -> int:
    bits = re.search(r"\d+", weight.dtype)
    return math.ceil(weight.size * (int(bits.group()) if bits else 8) / 8)
