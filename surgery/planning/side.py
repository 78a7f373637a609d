"""A plan as one side of a comparison: the model that a recipe would make."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgery.model.changes import Side
from surgery.model.fingerprint import canonical_json, variable_digest
from surgery.model.library import Library
from surgery.model.revision import Revision
from surgery.model.spec import ModelSpec
from surgery.model.weights import has_fresh, stored_in
from surgery.planning.plan import Plan
from surgery.planning.seeds import layer_seed
from surgery.recipe.loader import read_document
from surgery.recipe.named_files import named_files

if TYPE_CHECKING:
    from numpy.typing import NDArray


@contextmanager
def open_plan(plan: Plan) -> Iterator[Side]:
    """What a plan would make: kept values are those of the source, fresh ones are not there yet."""
    with plan.library() as library:
        yield Side(plan.final, PlannedValues(plan.final, library), fresh=_fresh(plan, library))


def take_surroundings(recipe: Path, revision: Revision) -> None:
    """Puts the files that a recipe of a revision names beside it.

    Its models are those of the same revision, or of the working tree where git does not have them. Data decide nothing in a
    plan: they are only linked.
    """
    for named in sorted(named_files(read_document(recipe)), key=lambda named: named.kind == "data"):
        if "\0" in named.path:
            continue
        place = Path(os.path.normpath(recipe.resolve().parent / named.path))
        if place.is_relative_to(revision.folder) and not os.path.lexists(place):
            _take(place.relative_to(revision.folder), revision, from_git=named.kind != "data")


def _take(path: Path, revision: Revision, *, from_git: bool) -> None:
    here = revision.top / path
    if revision.has(path.as_posix()) and (from_git or not here.exists()):
        revision.take(path.as_posix())
    elif here.exists():
        place = revision.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(here)


class PlannedValues(Mapping[tuple[str, str], "NDArray[Any]"]):
    """The values that a plan's result has from files; those that an initializer has a part in are not among them."""

    def __init__(self, spec: ModelSpec, library: Library) -> None:
        self._library = library
        self.weights = {(path, weight.key): weight for path, layer in spec.walk() for weight in layer.weights}
        self._known = [name for name, weight in self.weights.items() if not has_fresh(weight.source)]

    def __getitem__(self, name: tuple[str, str]) -> NDArray[Any]:
        values = self._library.values(self.weights[name])
        if values is None:
            raise KeyError(name)
        return values

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _fresh(plan: Plan, library: Library) -> dict[tuple[str, str], str]:
    """What values with a fresh part are a pure function of: seed, layer, config, shape, and what is read for the rest."""
    found = {}
    for path, layer in plan.final.walk():
        for weight in layer.weights:
            if has_fresh(weight.source):
                parts = [variable_digest(library.read(stored)) for stored in stored_in(weight.source)]
                made_from = [
                    *(layer_seed(plan.recipe.seed, path), layer.class_name, layer.config),
                    *(weight.key, weight.shape, weight.source.describe(path), parts),
                ]
                found[path, weight.key] = hashlib.sha256(canonical_json(made_from)).hexdigest()
    return found
