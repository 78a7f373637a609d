"""Links and submodules in the place of models, recipes and locks: what is reviewed must be what lies in the repository."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from surgery.errors import Location, PathRefused, SurgeryError
from surgery.model.operand import RECIPES
from surgery.planning.lock import FIRST_LINE
from surgery.planning.review.change import ChangedPath, paths_at
from surgery.planning.review.found import ReviewedFile, ReviewedModel, ReviewedRecipe, tried
from surgery.planning.review.models import is_model
from surgery.planning.review.recipes import looks_like_recipe

LOCK = ".lock"
MOST = 10_000
"""Entries of a linked folder that are looked at."""


def links(base: str, entries: Mapping[str, ChangedPath]) -> Iterator[ReviewedRecipe | ReviewedModel | ReviewedFile]:
    """An error for each link and submodule of the change that stands for a model, a recipe or a lock, or for a folder of some."""
    if not any(entry.kind for entry in entries.values()):
        return
    before = paths_at(base)
    for path, entry in sorted(entries.items()):
        if entry.kind and _stands_for_ours(entry, before):
            kind = (
                ReviewedModel if is_model(path) else ReviewedRecipe if path.lower().endswith(RECIPES) else ReviewedFile
            )
            yield kind(path, entry.state, errors=(_refusal(entry),))


def _stands_for_ours(entry: ChangedPath, before: list[str]) -> bool:
    path, lower = entry.path, entry.path.lower()
    if is_model(path) or any(one.startswith(f"{path}/") and _is_named_ours(one) for one in before):
        return True
    if entry.kind == "a submodule":
        return _is_named_ours(path)
    found, errors = tried(path, lambda: _leads_to_ours(Path(path), lower))
    return bool(found or errors)


def _leads_to_ours(link: Path, lower: str) -> bool:
    target, top = link.resolve(), Path.cwd().resolve()
    is_named = _is_named_ours(lower)
    if not target.is_relative_to(top) or not target.exists():
        return is_named
    if target.is_dir():
        return any(map(_is_ours, _below(target)))
    return _is_ours(target) or (is_named and not target.is_file())


def _is_named_ours(path: str) -> bool:
    return is_model(path) or path.lower().endswith((*RECIPES, LOCK))


def _is_ours(file: Path) -> bool:
    """Whether a file of the repository is a model, a recipe or a lock."""
    if is_model(file.name) or not file.is_file():
        return is_model(file.name)
    with file.open("rb") as opened:
        start = opened.read(256 * 1024)
    return start.startswith(FIRST_LINE.encode()) or (file.name.lower().endswith(RECIPES) and looks_like_recipe(start))


def _below(folder: Path) -> Iterator[Path]:
    seen = 0
    for root, _, files in os.walk(folder):
        for name in files:
            seen += 1
            if seen > MOST:
                return
            yield Path(root, name)


def _refusal(entry: ChangedPath) -> SurgeryError:
    return PathRefused(
        f"'{entry.path}' is {entry.kind}, and a review does not follow it",
        expected="models, recipes and locks themselves, in this repository",
        fix="put the file into the repository in its place",
        location=Location(entry.path),
    )
