"""Where the values of a variable come from: the ledger, one variable at a time."""

from __future__ import annotations

from dataclasses import dataclass

Indices = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A variable of the source model, as it is."""

    path: str
    """The layer's path in the source model."""
    key: str
    """The variable's key below its layer: `vars/0`."""
    shape: tuple[int, ...]
    dtype: str

    def describe(self, path: str) -> str:
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
    """Some rows of a variable of the source model, along some of its axes."""

    stored: Stored
    axes: tuple[tuple[int, Indices], ...]
    """`(axis, indices)`: which indices of the source the result has along the axis."""

    def describe(self, path: str) -> str:
        cuts = ", ".join(f"{len(indices)} of {self.stored.shape[axis]} on axis {axis}" for axis, indices in self.axes)
        return f"sliced from {self.stored.path}: {cuts}"


@dataclass(frozen=True, slots=True)
class Fresh:
    """New values from the layer's own initializer. The seed follows from the recipe's seed and the layer's path."""

    initializer: str

    def describe(self, path: str) -> str:
        return f"fresh, {self.initializer}"


WeightSource = Stored | Overlap | Sliced | Fresh


def stored_in(source: WeightSource) -> Stored | None:
    """The variable of the source model that a source reads, if it reads one."""
    match source:
        case Stored():
            return source
        case Overlap(stored=stored) | Sliced(stored=stored):
            return stored
        case Fresh():
            return None


def shape_text(shape: tuple[int | None, ...]) -> str:
    """`(3, 3, None)`, as Keras prints shapes."""
    return f"({', '.join(str(n) for n in shape)}{',' if len(shape) == 1 else ''})"
