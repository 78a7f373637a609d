"""The recipes that a change touches: each loaded as a stranger's, planned, held against its lock and what it made before."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from surgery.errors import FileMissing, FileUnreadable, OutputRefused, PathRefused, SurgeryError, flatten
from surgery.model.changes import Diff, Side, compare
from surgery.model.operand import RECIPES, open_operand
from surgery.model.revision import InRevision, Revision
from surgery.planning.facts import input_facts
from surgery.planning.lock import drift, lock_path, read_lock
from surgery.planning.outputs import without_stack
from surgery.planning.plan import Plan
from surgery.planning.planner import make_plan
from surgery.planning.review.change import ChangedPath, tracked
from surgery.planning.review.found import ReviewedRecipe, tried
from surgery.planning.review.texts import text_at
from surgery.planning.side import open_plan, take_surroundings
from surgery.planning.source import needs_making
from surgery.recipe import load_recipe
from surgery.recipe.file import read_bytes
from surgery.recipe.loader import read_document
from surgery.recipe.named_files import named_files
from surgery.recipe.workspace import require_inside

_IS_RECIPE = re.compile(rb"""(?:^|[{,])[ \t]*["']?surgery["']?[ \t]*:""", re.MULTILINE)
"""The first key of a recipe, plain or quoted, on a line of its own or in braces."""
_OF_FILES = (FileMissing, FileUnreadable, OutputRefused, PathRefused)


def recipes(base: str, entries: Mapping[str, ChangedPath]) -> Iterator[ReviewedRecipe]:
    """Every recipe that the change touches, by path."""
    for path in sorted({*tracked(), *entries}):
        if not path.lower().endswith(RECIPES) or (path in entries and entries[path].kind):
            continue
        found, errors = tried(path, lambda path=path: _reviewed(base, path, entries))  # type: ignore[misc]
        if found is not None:
            yield from found
        else:
            yield ReviewedRecipe(path, _state(path, entries), tuple(errors))


def looks_like_recipe(data: bytes) -> bool:
    """Whether a text has the first key of a recipe."""
    return bool(_IS_RECIPE.search(data))


def _reviewed(base: str, path: str, entries: Mapping[str, ChangedPath]) -> list[ReviewedRecipe]:
    state = _state(path, entries)
    if path not in entries:
        return [_recipe(base, path, state)] if _is_recipe(path) and _is_near(path, entries) else []
    was = looks_like_recipe(text_at(base, entries[path]) or b"")
    if state == "removed":
        return [ReviewedRecipe(path, state)] if was else []
    return [_recipe(base, path, state)] if was or _is_recipe(path) else []


def _state(path: str, entries: Mapping[str, ChangedPath]) -> str:
    return entries[path].state if path in entries else "affected"


def _is_recipe(path: str) -> bool:
    """Whether a file says of itself that it is a recipe; how it writes that is the reader's to know."""
    file = Path(path)
    try:
        if file.is_symlink():
            return False
        return looks_like_recipe(read_bytes(file)) or read_document(file).find("surgery") is not None
    except SurgeryError:
        return False


def _is_near(path: str, changed: Iterable[str]) -> bool:
    """Whether a change touches the lock of a recipe, or what it reads; it need not be a good recipe."""
    try:
        document = read_document(Path(path))
    except SurgeryError:
        return False
    name = document.find("name")
    named = [*(one.path for one in named_files(document)), f"{name.content if name else ''}.lock"]
    near = {posixpath.normpath(posixpath.join(posixpath.dirname(path), one)) for one in named}
    return any(other in near or not near.isdisjoint(_folders(other)) for other in changed) or any(
        folder in changed for one in near for folder in _folders(one)
    )


def _folders(path: str) -> Iterator[str]:
    """The folders that a file lies in; a model or the samples may be a folder."""
    while path := posixpath.dirname(path):
        yield path


def _recipe(base: str, path: str, state: str) -> ReviewedRecipe:
    found = ReviewedRecipe(path, state)
    recipe, errors = tried(
        path, lambda: load_recipe(require_inside(path, Path.cwd()).relative_to(Path.cwd()), restricted=True)
    )
    if recipe is None:
        return replace(found, errors=tuple(errors))
    found = replace(found, warnings=recipe.warnings)
    plan, errors = tried(path, lambda: make_plan(recipe))
    if plan is None:
        return replace(found, errors=tuple(errors))
    found = replace(found, plan=plan)
    lock, drifted = _lock(path, plan)
    found = replace(found, lock=lock, errors=tuple(drifted))
    return _compared(base, found, plan)


def _lock(path: str, plan: Plan) -> tuple[str, list[SurgeryError]]:
    """Whether the lock holds, as far as any machine can tell: versions and devices are those of the machine that wrote it."""
    file = lock_path(plan.recipe)
    if not file.is_symlink() and not file.exists():
        return "none", []
    _, errors = tried(str(file), lambda: require_inside(file.name, plan.recipe.folder))
    if errors:
        return "unchecked", errors
    locked, errors = tried(str(file), lambda: read_lock(file))
    if locked is None:
        return "unchecked", errors
    facts, errors = tried(path, lambda: input_facts(plan))
    if facts is None:
        return "unchecked", errors
    stackless = type(locked)(without_stack(locked.facts), locked.path, locked.lines)
    found, errors = tried(str(file), lambda: drift(stackless, without_stack(facts)))
    if found is None:
        return "unchecked", errors
    return "drifted" if found else "holds", found


def _compared(base: str, found: ReviewedRecipe, plan: Plan) -> ReviewedRecipe:
    """With what it made before against what it makes now; that this cannot be said is an error.

    Where it was no good recipe before, it made nothing: it is compared with its source, as a new one is.
    """
    path, why = found.path, None
    if found.state != "added":
        diff, errors = tried(path, lambda: _diff_of(InRevision(base, path), plan))
        if errors:
            failed = (error.prefixed("it cannot be compared with what it was") for error in errors)
            return replace(found, errors=(*found.errors, *failed))
        if isinstance(diff, Diff):
            return replace(found, diff=diff)
        why = diff
    diff, errors = tried(path, lambda: _diff_of(plan.source.path, plan))
    notes = (f"Before this change it was no valid recipe: {why}",) if why else ()
    made = diff if isinstance(diff, Diff) else None
    return replace(found, diff=made, errors=(*found.errors, *errors), notes=notes, against="its source")


class _NotARecipe(Exception):
    """What the base has under this name is wrong as a text."""


def _diff_of(before: InRevision | Path, plan: Plan) -> Diff | str:
    """The difference; or why there was no recipe before."""
    try:
        with open_plan(plan) as now, open_operand(before, _open_recipe) as then:
            return compare(then, now)
    except _NotARecipe as error:
        return str(error)


def _open_recipe(path: Path, revision: Revision | None) -> AbstractContextManager[Side]:
    try:
        if revision is not None:
            take_surroundings(path, revision)
        recipe = load_recipe(path)
    except SurgeryError as error:
        if any(isinstance(one, _OF_FILES) for one in flatten(error)):
            raise
        raise _NotARecipe(error.what) from None
    return open_plan(make_plan(recipe.restricted() if needs_making(recipe) else recipe))
