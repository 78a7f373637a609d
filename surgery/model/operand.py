"""What OLD and NEW of `surgery diff` stand for: a model, a recipe for what it would make, or either in git."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from surgery.model.changes import Side, open_side
from surgery.model.revision import InRevision, Revision, in_revision, open_revision
from surgery.model.scan import ahead as scanned_ahead

RECIPES = (".yaml", ".yml")

OpenRecipe = Callable[[Path, Revision | None], AbstractContextManager[Side]]
"""Opens what a recipe would make, with its source from the same revision. Recipes belong to a higher room, so whoever
knows them passes this in."""


Operand = str | Path | InRevision
"""A path, or a file of a revision. A text may say either; what a Path is called is never read as a revision."""


def ahead(operands: Sequence[Operand], trust: tuple[str, ...] = ()) -> AbstractContextManager[None]:
    """Begins with both sides of a comparison at once, where they are model files."""
    return scanned_ahead(*(str(one) for one in operands if _is_model(one)), trust=trust)


def _is_model(operand: Operand) -> bool:
    return not named_in_git(operand) and not str(operand).lower().endswith(RECIPES)


def named_in_git(operand: Operand) -> InRevision | None:
    """The file of a revision that is meant; None where it is one of the working tree."""
    return operand if isinstance(operand, InRevision) else in_revision(operand)


@contextmanager
def open_operand(operand: Operand, open_recipe: OpenRecipe, trust: tuple[str, ...] = ()) -> Iterator[Side]:
    """One side of a comparison.

    Args:
        operand: A path, or `git:REVISION:PATH`.
        open_recipe: Opens what a recipe would make.
        trust: The modules whose classes model files may name.

    Raises:
        SurgeryError: when it cannot be read or planned.
    """
    named = named_in_git(operand)
    if named is None:
        with _open(Path(str(operand)), open_recipe, None, trust) as side:
            yield side
    else:
        with open_revision(named) as (revision, path), _open(revision.take(path), open_recipe, revision, trust) as side:
            yield side


def _open(
    path: Path, open_recipe: OpenRecipe, revision: Revision | None, trust: tuple[str, ...]
) -> AbstractContextManager[Side]:
    return open_recipe(path, revision) if path.suffix.lower() in RECIPES else open_side(path, trust)
