"""Where the values of a variable come from: the ledger, one variable at a time.

A source reads a stored variable, or is made of other sources. Its values are computed in one place, `surgery.model.derive`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

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

    def describe(self, path: str) -> str:
        if self.file:
            return f"transplanted from {self.file}" + ("" if path == self.path else f", {self.path}")
        return "kept" if path == self.path else f"moved from {self.path}"


@dataclass(frozen=True, slots=True)
class Overlap:
    """The common corner of a variable of the source model; the rest is fresh."""

    stored: Stored
    fresh: Fresh

    def describe(self, path: str) -> str:
        return f"overlap of {self.stored.path} {shape_text(self.stored.shape)}, rest {self.fresh.describe(path)}"


@dataclass(frozen=True, slots=True)
class Sliced:
    """Rows of another source along some of its axes, in any order, and new ones among them."""

    of: WeightSource
    axes: tuple[tuple[int, Indices], ...]
    """`(axis, indices)`: which indices of the source the result has along the axis; `NEW` where it has none of them."""
    rest: Fresh | Rest | None = None
    """What the new rows get."""

    def describe(self, path: str) -> str:
        shape = shape_of(self.of) or ()
        cuts = ", ".join(
            f"{sum(index != NEW for index in indices)} of {shape[axis]} on axis {axis}" for axis, indices in self.axes
        )
        return f"sliced from {_named(self.of, path)}: {cuts}{self._new(path)}"

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
        return f"moved from {_named(self.of, path)}, cast from {self.before} to {self.dtype}"


@dataclass(frozen=True, slots=True)
class Resampled:
    """Another source, interpolated linearly along some axes to another size."""

    of: WeightSource
    shape: tuple[int, ...]
    grid: tuple[int, ...] | None = None
    """For rows that are a grid written out row by row: its size in the source. The result's grid is a square one."""

    def describe(self, path: str) -> str:
        return f"moved from {_named(self.of, path)} {shape_text(shape_of(self.of) or ())}, resampled"


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
        case Overlap(stored=stored):
            yield stored
        case Sliced(of=of) | Cast(of=of) | Resampled(of=of):
            yield from stored_in(of)
        case Averaged(parts=parts):
            yield from (stored for stored, _ in parts)
        case Fresh():
            return


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


def _named(source: WeightSource, path: str) -> str:
    """The layer that a source reads, and its file where that is another one; else what the source is."""
    stored = list(stored_in(source))
    if len(stored) != 1:
        return f"({source.describe(path)})"
    return f"{stored[0].path} of {stored[0].file}" if stored[0].file else stored[0].path


def shape_text(shape: tuple[int | None, ...]) -> str:
    """`(3, 3, None)`, as Keras prints shapes."""
    return f"({', '.join(str(n) for n in shape)}{',' if len(shape) == 1 else ''})"
