"""What a change in git means for its recipes and models: each is checked, planned and compared as strangers' work is.

Nothing is imported, nothing is downloaded, Keras is not asked: recipes are restricted, models are scanned before they are read.
"""

from __future__ import annotations

import posixpath
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from surgery.errors import FileUnreadable, SurgeryError, UsageError, flatten
from surgery.model.changes import Diff, Side, compare
from surgery.model.operand import RECIPES, open_operand
from surgery.model.revision import Revision
from surgery.planning.facts import input_facts
from surgery.planning.lock import drift, lock_path, read_lock
from surgery.planning.outputs import without_stack
from surgery.planning.plan import Plan
from surgery.planning.planner import make_plan
from surgery.planning.side import open_plan, take_surroundings
from surgery.recipe import Recipe, load_recipe
from surgery.recipe.file import read_bytes
from surgery.recipe.loader import read_document
from surgery.recipe.named_files import named_files

MODELS = (".keras", ".h5", ".hdf5")
_IS_RECIPE = re.compile(rb"^surgery\s*:", re.MULTILINE)

T = TypeVar("T")


@dataclass(frozen=True)
class ReviewedRecipe:
    """A recipe that the change touches: itself, its lock or a file that it reads."""

    path: str
    state: str
    """added, changed, removed; or affected, when only its lock or a file that it reads changed."""
    errors: tuple[SurgeryError, ...] = ()
    """What is wrong with the recipe, its plan or its lock."""
    warnings: tuple[SurgeryError, ...] = ()
    plan: Plan | None = None
    diff: Diff | None = None
    """What the recipe made before against what it makes now; of a new recipe, its source against what it makes."""
    lock: str = "none"
    """none, holds, drifted or unchecked."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReviewedModel:
    """A model file that the change touches."""

    path: str
    state: str
    diff: Diff | None = None
    errors: tuple[SurgeryError, ...] = ()


@dataclass(frozen=True)
class Review:
    """A change between a revision and the working tree."""

    base: str
    recipes: tuple[ReviewedRecipe, ...]
    models: tuple[ReviewedModel, ...]

    @property
    def errors(self) -> list[SurgeryError]:
        parts: list[ReviewedRecipe | ReviewedModel] = [*self.recipes, *self.models]
        return [error for part in parts for error in part.errors]


def review(base: str, trust: tuple[str, ...] = ()) -> Review:
    """Reviews what is in the working tree against a commit. To be called at the top of the repository.

    Args:
        base: A commit, from `base_of`.
        trust: Modules outside Keras whose classes model files may name. They are not imported.
    """
    changed = dict(_changed(base))
    recipes = tuple(_recipe(base, path, changed) for path in _recipes(changed))
    models = tuple(_model(base, path, state, trust) for path, state in changed.items() if path.endswith(MODELS))
    return Review(base, recipes, models)


def base_of(revision: str) -> str:
    """The commit where the working tree left a branch. A shallow clone may not know it; then it is the revision itself.

    Raises:
        FileUnreadable: this is no repository, or has no such revision.
        UsageError: this is not its top.
    """
    if _git("rev-parse", "--show-prefix").strip():
        top = _git("rev-parse", "--show-toplevel").strip()
        raise UsageError("a review begins at the top of the repository", expected=top, fix=f"cd {top}")
    if revision.startswith("-"):
        raise UsageError(f"'{revision}' is no revision", expected="a branch or commit", fix="surgery review main")
    commit = _git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()
    try:
        return _git("merge-base", commit, "HEAD").strip()
    except FileUnreadable:
        return commit


def _changed(base: str) -> Iterator[tuple[str, str]]:
    told = _git("diff", "--name-status", "--no-renames", "--no-ext-diff", "--no-textconv", "-z", base).split("\0")
    words = {"A": "added", "D": "removed"}
    yield from ((path, words.get(status, "changed")) for status, path in zip(told[::2], told[1::2], strict=False))


def _recipes(changed: dict[str, str]) -> Iterator[str]:
    """Every recipe that the change touches, by path."""
    tracked = _git("ls-files", "-z").split("\0")
    gone = [path for path, state in changed.items() if state == "removed"]
    for path in sorted({*tracked, *changed, *gone}):
        is_recipe = path.endswith(RECIPES) and (path in gone or _is_recipe(path))
        if is_recipe and (path in changed or _is_near(path, changed)):
            yield path


def _is_recipe(path: str) -> bool:
    try:
        return not Path(path).is_symlink() and bool(_IS_RECIPE.search(read_bytes(Path(path))))
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
    return any(other in near or not near.isdisjoint(_folders(other)) for other in changed)


def _folders(path: str) -> Iterator[str]:
    """The folders that a file lies in; a model or the samples may be a folder."""
    while path := posixpath.dirname(path):
        yield path


def _recipe(base: str, path: str, changed: dict[str, str]) -> ReviewedRecipe:
    state = changed.get(path, "affected")
    if state == "removed":
        return ReviewedRecipe(path, state)
    recipe, errors = _tried(lambda: load_recipe(path, restricted=True))
    if recipe is None:
        return ReviewedRecipe(path, state, tuple(errors))
    plan, errors = _tried(lambda: make_plan(recipe))
    if plan is None:
        return ReviewedRecipe(path, state, tuple(errors), recipe.warnings)
    lock, drifted = _lock(plan)
    diff, failed = _tried(lambda: _diff_of(base, path, plan, is_new=state == "added"))
    notes = tuple(f"It could not be compared with what it was: {error.what}" for error in failed)
    return ReviewedRecipe(path, state, tuple(drifted), recipe.warnings, plan, diff, lock, notes)


def _lock(plan: Plan) -> tuple[str, list[SurgeryError]]:
    """Whether the lock holds, as far as any machine can tell: versions and devices are those of the machine that wrote it."""
    if not lock_path(plan.recipe).is_file():
        return "none", []
    locked, errors = _tried(lambda: read_lock(lock_path(plan.recipe)))
    if locked is None:
        return "unchecked", errors
    facts, errors = _tried(lambda: input_facts(plan))
    if facts is None:
        return "unchecked", errors
    stackless = type(locked)(without_stack(locked.facts), locked.path, locked.lines)
    found = drift(stackless, without_stack(facts))
    return "drifted" if found else "holds", found


def _diff_of(base: str, path: str, plan: Plan, *, is_new: bool) -> Diff:
    with open_plan(plan) as now:
        before = plan.source.path.as_posix() if is_new else f"git:{base}:{path}"
        with open_operand(before, _open_recipe) as then:
            return compare(then, now)


def _open_recipe(path: Path, revision: Revision | None) -> AbstractContextManager[Side]:
    if revision is not None:
        take_surroundings(path, revision)
    recipe: Recipe = load_recipe(path)
    return open_plan(make_plan(recipe))


def _model(base: str, path: str, state: str, trust: tuple[str, ...]) -> ReviewedModel:
    if state == "removed":
        return ReviewedModel(path, state)
    if state == "added":
        _, errors = _tried(lambda: _opened(path, trust))
        return ReviewedModel(path, state, errors=tuple(errors))
    diff, errors = _tried(lambda: _compared(f"git:{base}:{path}", path, trust))
    return ReviewedModel(path, state, diff, tuple(errors))


def _opened(path: str, trust: tuple[str, ...]) -> bool:
    with open_operand(path, _open_recipe, trust):
        return True


def _compared(old: str, new: str, trust: tuple[str, ...]) -> Diff:
    with open_operand(old, _open_recipe, trust) as before, open_operand(new, _open_recipe, trust) as after:
        return compare(before, after)


def _tried(make: Callable[[], T]) -> tuple[T | None, list[SurgeryError]]:
    try:
        return make(), []
    except SurgeryError as error:
        return None, flatten(error)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise FileUnreadable(f"git says: {said}", expected="a git repository, and a revision in it")
    return done.stdout.decode("utf-8", "surrogateescape")
