"""The weights of another model file, layer by layer, for the operations that take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from surgery.errors import SurgeryError, WeightMismatch
from surgery.model.counterparts import counterparts
from surgery.model.library import Library
from surgery.model.spec import ModelSpec, WeightSpec
from surgery.model.weights import Stored, shape_text

Found = Mapping[str, tuple[tuple[str, Stored], ...]]
"""For each layer the stored variable of each key."""


def open_checkpoint(library: Library, file: str, key: tuple[str | int, ...]) -> ModelSpec:
    """The model in another file; an error points at the key that names it."""
    try:
        return library.model(file)
    except SurgeryError as error:
        error.field = key
        raise


def weights_of(model: ModelSpec, other: ModelSpec, file: str, pairs: Iterable[tuple[str, str]]) -> Found:
    """The other file's variables for some layers.

    Args:
        model: The model that takes them.
        other: The model in the file.
        file: What the recipe calls it.
        pairs: Paths of a layer here and of the one there; of nested models the layers inside them.

    Raises:
        WeightMismatch: one error with everything that is missing there or does not fit.
    """
    search = _Search(model, other)
    for here, there in pairs:
        search.take(here, there)
    if search.misfits:
        raise WeightMismatch(
            f"{file} does not fit: {'; '.join(search.misfits)}",
            expected="for every layer one there with the same variables, in shape and dtype",
            fix="choose fewer layers, or say with 'map' what they are called there",
        )
    return search.found


@dataclass
class _Search:
    model: ModelSpec
    other: ModelSpec
    found: dict[str, tuple[tuple[str, Stored], ...]] = field(default_factory=dict)
    misfits: list[str] = field(default_factory=list)

    def take(self, here: str, there: str) -> None:
        layer, other = self.model[here], self.other.find(there)
        if other is None:
            self.misfits.append(f"it has no layer '{there}'")
        elif layer.inner:
            for path, inside in layer.inner.walk():
                if inside.weights and not inside.inner:
                    self.take(f"{here}/{path}", f"{there}/{path}")
        else:
            theirs = tuple(weight for weight in other.weights if weight.is_stored)
            ours = tuple(weight for weight in layer.weights if weight.is_stored)
            same = counterparts(ours, theirs)
            self.misfits += _misfits(here, there, ours, theirs, same)
            taken = [(weight.key, same[weight.key].source) for weight in ours if weight.key in same]
            self.found[here] = tuple((key, source) for key, source in taken if isinstance(source, Stored))


def _misfits(
    here: str,
    there: str,
    ours: Sequence[WeightSpec],
    theirs: Sequence[WeightSpec],
    same: Mapping[str, WeightSpec],
) -> Iterator[str]:
    for weight in ours:
        other = same.get(weight.key)
        if other is None:
            yield f"'{there}' has no {weight.name}"
        elif (other.shape, other.dtype) != (weight.shape, weight.dtype):
            said = f"{shape_text(other.shape)} {other.dtype}, and that of '{here}' {shape_text(weight.shape)} {weight.dtype}"
            yield f"the {weight.name} of '{there}' is {said}"
    met = {other.key for other in same.values()}
    for other in theirs:
        if other.key not in met:
            yield f"'{there}' has a {other.name}, and '{here}' has none"


def weighted(model: ModelSpec, paths: Iterable[str]) -> list[str]:
    """The layers, or nested models, that have variables."""
    return [path for path in paths if model[path].parameters]
