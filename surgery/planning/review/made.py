"""A review, made: every path of the change is asked what it is, and reviewed by itself."""

from __future__ import annotations

from typing import TypeVar

from surgery.planning.review.change import changed
from surgery.planning.review.found import Review, Reviewed, ReviewedFile, ReviewedModel, ReviewedRecipe
from surgery.planning.review.grants import grants
from surgery.planning.review.links import links
from surgery.planning.review.models import models
from surgery.planning.review.recipes import recipes

Kind = TypeVar("Kind", ReviewedRecipe, ReviewedModel, ReviewedFile)


def review(base: str, trust: tuple[str, ...] = ()) -> Review:
    """Reviews what is in the working tree against a commit. To be called at the top of the repository.

    Args:
        base: A commit, from `base_of`.
        trust: Modules outside Keras whose classes model files may name. They are not imported.
    """
    entries = {entry.path: entry for entry in changed(base)}
    granted, wrong = grants(base, entries)
    found: list[Reviewed] = [*links(base, entries), *recipes(base, entries), *models(base, entries, trust), *wrong]
    return Review(
        base,
        recipes=_of(ReviewedRecipe, found),
        models=_of(ReviewedModel, found),
        files=_of(ReviewedFile, found),
        grants=granted,
    )


def _of(kind: type[Kind], found: list[Reviewed]) -> tuple[Kind, ...]:
    return tuple(sorted((one for one in found if isinstance(one, kind)), key=lambda one: one.path))
