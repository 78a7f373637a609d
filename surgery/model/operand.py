"""What OLD and NEW of `surgery diff` stand for: a model, a recipe for what it would make, or either in git."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from surgery.model.changes import Side, open_side
from surgery.model.revision import Revision, names_revision, open_revision
from surgery.model.scan import ahead as scanned_ahead

RECIPES = (".yaml", ".yml")

OpenRecipe = Callable[[Path, Revision | None], AbstractContextManager[Side]]
"""Opens what a recipe would make, with its source from the same revision. Recipes belong to a higher room, so whoever
knows them passes this in."""


def ahead(texts: Sequence[str], trust: tuple[str, ...] = ()) -> AbstractContextManager[None]:
    """Begins with both sides of a comparison at once, where they are model files."""
    return scanned_ahead(*(text for text in texts if _is_model(text)), trust=trust)


def _is_model(text: str) -> bool:
    return not names_revision(text) and not text.lower().endswith(RECIPES)


@contextmanager
def open_operand(text: str, open_recipe: OpenRecipe, trust: tuple[str, ...] = ()) -> Iterator[Side]:
    """One side of a comparison.

    Args:
        text: A path, or `git:REVISION:PATH`.
        open_recipe: Opens what a recipe would make.
        trust: The modules whose classes model files may name.

    Raises:
        SurgeryError: when it cannot be read or planned.
    """
    if names_revision(text):
        with open_revision(text) as (revision, path), _open(revision.take(path), open_recipe, revision, trust) as side:
            yield side
    else:
        with _open(Path(text), open_recipe, None, trust) as side:
            yield side


def _open(
    path: Path, open_recipe: OpenRecipe, revision: Revision | None, trust: tuple[str, ...]
) -> AbstractContextManager[Side]:
    return open_recipe(path, revision) if path.suffix.lower() in RECIPES else open_side(path, trust)
