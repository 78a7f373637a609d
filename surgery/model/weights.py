"""Where the values of a variable come from: the ledger, one variable at a time.

A source reads a stored variable, or is made of other sources. Its values are computed in one place, `surgery.model.derive`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, assert_never

Indices = tuple[int, ...]
NEW = -1
"""The index of a row that the source does not have."""

Rest = Literal["mean", "zero"]
"""What new rows get, other than initial values: the mean of the old rows, or zeros."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A variable of a model file, as it is."""

    path: str
    """The layer's path in that model."""
    key: str
    """The variable's key below its layer: `vars/0`."""
    shape: tuple[int, ...]
    dtype: str
    file: str = ""
    """The file as the recipe names it; empty for the source model."""
    meaning: str = ""
    """What is done to the values of an old file, because Keras 3 computes otherwise with them."""

    def describe(self, path: str) -> str:
        meaning = f", {self.meaning}" if self.meaning else ""
        if self.file:
            return f"transplanted from {self.file}" + ("" if path == self.path else f", {self.path}") + meaning
        return ("kept" if path == self.path else f"moved from {self.path}") + meaning


@dataclass(frozen=True, slots=True)
class Overlap:
    """The common corner of another source; the rest is fresh."""

    of: WeightSource
    fresh: Fresh

    def describe(self, path: str) -> str:
        old = f"{_named(self.of, path)} {shape_text(shape_of(self.of) or ())}{_converted(self.of)}"
        return f"overlap of {old}, rest {self.fresh.describe(path)}"


@dataclass(frozen=True, slots=True)
class Sliced:
    """Rows of another source along some of its axes, in any order, and new ones among them."""

    of: WeightSource
    axes: tuple[tuple[int, Indices], ...]
    """`(axis, indices)`: which indices of the source the result has along the axis; `NEW` where it has none of them."""
    rest: Fresh | Rest | None = None
    """What the new rows get."""
    within: tuple[int, ...] | None = None
    """The shape that the indices count in: that of the variable when it was cut."""

    def describe(self, path: str) -> str:
        shape = shape_of(self.of) or ()
        cuts = ", ".join(
            f"{sum(index != NEW for index in indices)} of {shape[axis]} on axis {axis}" for axis, indices in self.axes
        )
        return f"sliced from {_named(self.of, path)}: {cuts}{_converted(self.of)}{self._new(path)}"

    def _new(self, path: str) -> str:
        if self.rest is None:
            return ""
        values = {"mean": "the mean of the old", "zero": "zero"}
        text = self.rest.describe(path) if isinstance(self.rest, Fresh) else values[self.rest]
        counts = [sum(index == NEW for index in indices) for _, indices in self.axes]
        return f", {' and '.join(str(count) for count in counts if count)} new: {text}"


@dataclass(frozen=True, slots=True)
class Averaged:
    """The weighted mean of a variable over several files of one architecture."""

    parts: tuple[tuple[Stored, float], ...]

    def describe(self, path: str) -> str:
        parts = ", ".join(f"{weight:g} of {part.file or 'the source'}" for part, weight in self.parts)
        return f"transplanted, the average: {parts}"


@dataclass(frozen=True, slots=True)
class Cast:
    """Another source in another dtype, rounded to the nearest number."""

    of: WeightSource
    before: str
    dtype: str

    def describe(self, path: str) -> str:
        text = self.of.describe(path)
        moved = f"moved from {path}{text.removeprefix('kept')}" if text.startswith("kept") else text
        return f"{moved}, cast from {self.before} to {self.dtype}"


@dataclass(frozen=True, slots=True)
class Resampled:
    """Another source, interpolated linearly along some axes to another size."""

    of: WeightSource
    shape: tuple[int, ...]
    grid: tuple[int, ...] | None = None
    """For rows that are a grid written out row by row: its size in the source. The result's grid is a square one."""

    def describe(self, path: str) -> str:
        old = f"{_named(self.of, path)} {shape_text(shape_of(self.of) or ())}"
        return f"moved from {old}, resampled{_converted(self.of)}"


@dataclass(frozen=True, slots=True)
class Fresh:
    """New values from the layer's own initializer. The seed follows from the recipe's seed and the layer's path."""

    initializer: str

    def describe(self, path: str) -> str:
        return f"fresh, {self.initializer}"


WeightSource = Stored | Overlap | Sliced | Averaged | Cast | Resampled | Fresh


def stored_in(source: WeightSource) -> Iterator[Stored]:
    """The stored variables that a source reads."""
    match source:
        case Stored():
            yield source
        case Overlap(of=of) | Sliced(of=of) | Cast(of=of) | Resampled(of=of):
            yield from stored_in(of)
        case Averaged(parts=parts):
            yield from (stored for stored, _ in parts)
        case Fresh():
            return
        case _:
            assert_never(source)


def has_fresh(source: WeightSource) -> bool:
    """Whether some values of a source are made by an initializer, and known only when the layer is built."""
    match source:
        case Fresh() | Overlap():
            return True
        case Sliced(of=of, rest=rest):
            return isinstance(rest, Fresh) or has_fresh(of)
        case Cast(of=of) | Resampled(of=of):
            return has_fresh(of)
        case Stored() | Averaged():
            return False


def shape_of(source: WeightSource) -> tuple[int, ...] | None:
    """The shape of the values that a source gives; None where it takes the shape of its variable."""
    match source:
        case Stored(shape=shape) | Resampled(shape=shape):
            return shape
        case Sliced(of=of, axes=axes):
            old, lengths = shape_of(of), {axis: len(indices) for axis, indices in axes}
            return None if old is None else tuple(lengths.get(axis, size) for axis, size in enumerate(old))
        case Averaged(parts=parts):
            return parts[0][0].shape
        case Cast(of=of):
            return shape_of(of)
        case Overlap() | Fresh():
            return None


def misaligned_cut(source: WeightSource) -> Sliced | None:
    """The cut in a source whose indices count along an axis of another size than its values have: they did not fit their variable."""
    match source:
        case Sliced(of=of, axes=axes, within=tuple(within)):
            old = shape_of(of)
            is_misaligned = old is not None and any(old[axis : axis + 1] != within[axis : axis + 1] for axis, _ in axes)
            return source if is_misaligned else misaligned_cut(of)
        case Sliced(of=of) | Overlap(of=of) | Cast(of=of) | Resampled(of=of):
            return misaligned_cut(of)
        case Stored() | Averaged() | Fresh():
            return None
        case _:
            assert_never(source)


FLOATS = ("float16", "bfloat16", "float32", "float64")
"""The dtypes of variables between which values are converted, each number to the nearest."""


def dtype_of(source: WeightSource) -> str | None:
    """The dtype of the values that a source gives; None where an initializer makes some of them, in that of the variable."""
    match source:
        case Stored(dtype=dtype) | Cast(dtype=dtype):
            return dtype
        case Averaged(parts=parts):
            return parts[0][0].dtype
        case Resampled(of=of):
            return dtype_of(of)
        case Sliced(of=of, rest=rest):
            return None if isinstance(rest, Fresh) else dtype_of(of)
        case Overlap() | Fresh():
            return None


def initialized_by(source: WeightSource, initializer: str) -> WeightSource:
    """The same source with what is fresh in it made by the initializer that the layer has now."""
    match source:
        case Fresh(initializer=before):
            return source if before == initializer else Fresh(initializer)
        case Overlap(of=of):
            return replace(source, of=initialized_by(of, initializer), fresh=Fresh(initializer))
        case Sliced(of=of, rest=rest):
            fresh = Fresh(initializer) if isinstance(rest, Fresh) else rest
            return replace(source, of=initialized_by(of, initializer), rest=fresh)
        case Cast(of=of) | Resampled(of=of):
            return replace(source, of=initialized_by(of, initializer))
        case Stored() | Averaged():
            return source


def in_dtype(source: WeightSource, dtype: str) -> WeightSource:
    """The same values in the dtype of their variable. What is not converted between floats stays as it is.

    The conversion stands outermost where every value comes from a file, and before fresh values join them.
    """
    match source:
        case Fresh():
            return source
        case Overlap(of=of) | Sliced(of=of, rest=Fresh()):
            return replace(source, of=in_dtype(of, dtype))
        case Cast(of=of):
            return in_dtype(of, dtype)
        case Sliced(of=Cast(of=of)) | Resampled(of=Cast(of=of)):
            return in_dtype(replace(source, of=of), dtype)
    before = dtype_of(source)
    is_float = before in FLOATS and dtype in FLOATS
    return Cast(source, before, dtype) if before is not None and is_float and before != dtype else source


def _converted(source: WeightSource) -> str:
    """The words for what values go through before they are cut or joined: their meaning in old files, their dtype."""
    match source:
        case Stored(meaning=meaning) if meaning:
            return f", {meaning}"
        case Cast(of=of, before=before, dtype=dtype):
            return f"{_converted(of)}, cast from {before} to {dtype}"
        case Sliced(of=of) | Resampled(of=of) | Overlap(of=of):
            return _converted(of)
        case Stored() | Averaged() | Fresh():
            return ""
        case _:
            assert_never(source)


def _named(source: WeightSource, path: str) -> str:
    """The layer that a source reads, and its file where that is another one; else what the source is."""
    stored = list(stored_in(source))
    if len(stored) != 1:
        return f"({source.describe(path)})"
    return f"{stored[0].path} of {stored[0].file}" if stored[0].file else stored[0].path


def shape_text(shape: tuple[int | None, ...]) -> str:
    """`(3, 3, None)`, as Keras prints shapes."""
    return f"({', '.join(str(n) for n in shape)}{',' if len(shape) == 1 else ''})"
