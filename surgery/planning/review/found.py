"""What a review found, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from surgery.errors import FileUnreadable, Location, SurgeryError, flatten, printable, render
from surgery.model.changes import Diff
from surgery.planning.plan import Plan

T = TypeVar("T")


@dataclass(frozen=True)
class ReviewedRecipe:
    """A recipe that the change touches: itself, its lock or a file that it reads."""

    path: str
    state: str
    """added, changed, removed; or affected, when only its lock or a file that it reads changed."""
    errors: tuple[SurgeryError, ...] = ()
    """What is wrong with the recipe, its plan, its lock, or the comparison."""
    warnings: tuple[SurgeryError, ...] = ()
    plan: Plan | None = None
    diff: Diff | None = None
    """What the recipe made before against what it makes now; of a new recipe, its source against what it makes."""
    lock: str = "none"
    """none, holds, drifted or unchecked."""
    notes: tuple[str, ...] = ()
    against: str = "before"
    """before, or its source."""


@dataclass(frozen=True)
class Summary:
    """A model as a whole: what there is to say where nothing is to compare with."""

    layers: tuple[tuple[str, str, int], ...]
    """Path, class and number of parameters of each layer."""
    parameters: int
    trainable_parameters: int
    custom: tuple[str, ...]
    """Classes from outside Keras."""
    origin: tuple[str, ...]
    """The surgeries that it says it went through, the first one first; empty where it has no history."""


@dataclass(frozen=True)
class ReviewedModel:
    """A model file or folder that the change touches."""

    path: str
    state: str
    diff: Diff | None = None
    errors: tuple[SurgeryError, ...] = ()
    summary: Summary | None = None
    """Of a model that nothing is compared with."""


@dataclass(frozen=True)
class ReviewedFile:
    """A lock, a link, a submodule, a configuration: a file of interest that is wrong, and neither recipe nor model."""

    path: str
    state: str
    errors: tuple[SurgeryError, ...] = ()


Reviewed = ReviewedRecipe | ReviewedModel | ReviewedFile


@dataclass(frozen=True)
class Review:
    """A change between a revision and the working tree."""

    base: str
    recipes: tuple[ReviewedRecipe, ...] = ()
    models: tuple[ReviewedModel, ...] = ()
    files: tuple[ReviewedFile, ...] = ()
    grants: tuple[str, ...] = ()
    """What the change permits, trusts or loosens: one sentence each."""

    @property
    def is_empty(self) -> bool:
        return not (self.recipes or self.models or self.files or self.grants)

    @property
    def errors(self) -> list[SurgeryError]:
        parts: list[Reviewed] = [*self.recipes, *self.models, *self.files]
        return [error for part in parts for error in part.errors]


def tried(path: str, make: Callable[[], T]) -> tuple[T | None, list[SurgeryError]]:
    """What can be made of a file, or why it cannot be read. No exception of one file ends the review of the others."""
    try:
        return make(), []
    except SurgeryError as error:
        return None, _placed(error, path)
    except Exception as error:  # noqa: BLE001 - MemoryError and RecursionError too: a stranger chose what is in the file
        return None, [unreadable(path, error)]


def unreadable(path: str, error: Exception) -> SurgeryError:
    """The error of a file that nobody foresaw."""
    said = printable(str(error)[:200])
    return FileUnreadable(
        f"'{path}' could not be read: {type(error).__name__}{': ' if said else ''}{said}",
        expected="a file that Keras or surgery wrote",
        fix="write the file anew; if it is a good one, please report this",
        location=Location(path),
    )


def _placed(error: SurgeryError, path: str) -> list[SurgeryError]:
    """The single errors, each with a file; one whose own text fails is one that could not be read."""
    found: list[SurgeryError] = []
    for one in flatten(error):
        try:
            render(one)
            found.append(one.at(Location(path)))
        except Exception as failure:  # noqa: BLE001 - a fix may read files
            found.append(unreadable(path, failure))
    return found
