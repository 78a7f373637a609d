"""The models that a change touches: each scanned, and compared with what it was or shown as a whole."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from surgery.errors import FileUnreadable
from surgery.model.changes import Diff, Side, compare, open_side
from surgery.model.operand import open_operand
from surgery.model.revision import InRevision
from surgery.planning.history import read_history
from surgery.planning.review.change import ChangedPath, paths_at
from surgery.planning.review.found import ReviewedModel, Summary, tried
from surgery.recipe.workspace import require_inside

SUFFIXES = (".keras", ".h5", ".hdf5")
_PARTS = ("config.json", "metadata.json")
"""What lies in a model that is a folder, besides weights."""


def is_model(path: str) -> bool:
    """Whether a name is that of a model file or folder."""
    return path.lower().endswith(SUFFIXES)


def models(base: str, entries: Mapping[str, ChangedPath], trust: tuple[str, ...]) -> Iterator[ReviewedModel]:
    """Every model that the change touches, by path."""
    before = set(paths_at(base))
    for path in sorted({model for one in entries for model in _models_of(one, before)}):
        entry = entries.get(path)
        if entry and entry.kind:
            continue
        found = ReviewedModel(path, entry.state if entry else _state(path, before))
        if found.state == "removed":
            yield found
            continue
        reviewed, errors = tried(path, lambda one=found: _reviewed(base, one, trust))  # type: ignore[misc]
        yield reviewed or replace(found, errors=tuple(errors))


def _models_of(path: str, before: set[str]) -> Iterator[str]:
    """The model that a path is or is a part of."""
    parts = path.split("/")
    for end in range(1, len(parts)):
        if is_model(parts[end - 1]):
            yield "/".join(parts[:end])
            return
    folder, name = posixpath.split(path)
    if (name in _PARTS or is_model(name)) and folder and _is_folder_of_model(folder, before):
        yield folder
    elif is_model(path):
        yield path


def _is_folder_of_model(folder: str, before: set[str]) -> bool:
    has = [Path(folder, part).exists() or f"{folder}/{part}" in before for part in _PARTS]
    return all(has)


def _state(folder: str, before: set[str]) -> str:
    if not Path(folder).exists():
        return "removed"
    return "changed" if any(one.startswith(f"{folder}/") for one in before) else "added"


def _reviewed(base: str, found: ReviewedModel, trust: tuple[str, ...]) -> ReviewedModel:
    path = Path(found.path)
    require_inside(path, Path.cwd())
    if found.state == "changed":
        return replace(found, diff=_compared(InRevision(base, found.path), path, trust))
    with open_side(path, trust) as side:
        for name in side.values:
            side.values[name]  # as a comparison reads it: damage shows only there
        return replace(found, summary=_summary(side, path))


def _compared(old: InRevision, new: Path, trust: tuple[str, ...]) -> Diff:
    with open_operand(old, _no_recipe, trust) as before, open_side(new, trust) as after:
        return compare(before, after)


def _no_recipe(path: Path, _: object) -> AbstractContextManager[Side]:
    raise FileUnreadable(f"'{path.name}' is a folder of a model, and called like a recipe", expected="another name")


def _summary(side: Side, path: Path) -> Summary:
    spec = side.spec
    walked = list(spec.walk())
    custom = {
        f"{layer.module}.{layer.class_name}" if layer.module else str(layer.registered_name)
        for _, layer in walked
        if not f"{layer.module or 'keras'}.".startswith("keras.") or ">" in str(layer.registered_name)
    }
    surgeries = read_history(path)["surgeries"]
    return Summary(
        layers=tuple((name, layer.class_name, layer.parameters) for name, layer in walked),
        parameters=spec.parameters,
        trainable_parameters=spec.trainable_parameters,
        custom=tuple(sorted(custom)),
        origin=tuple(f"{one['recipe']['name']}, from {one['plan']['source']['model']}" for one in surgeries),
    )
