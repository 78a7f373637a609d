"""Stages as they run: one with `gradual` is several, each with a group of layers more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from surgery.operations import Operation
from surgery.operations.unfreeze import Unfreeze
from surgery.recipe import Recipe
from surgery.recipe.training import Stage

Field = tuple[str | int, ...]
"""The keys of a recipe down to a value."""


@dataclass(frozen=True)
class Part:
    """A stage that runs, and what it begins with.

    Args:
        stage: The stage; one of several has a name of its own, and no `gradual`.
        number: The place of the recipe's stage.
        operations: What changes before it trains.
        fields: Where each of them stands in the recipe.
    """

    stage: Stage
    number: int
    operations: tuple[Operation, ...]
    fields: tuple[Field, ...]
    is_last: bool = True
    """Whether no further group of the same stage follows."""


def parts(recipe: Recipe) -> Iterator[Part]:
    """All stages of a recipe in the order in which they run."""
    for number, stage in enumerate(recipe.training.stages if recipe.training else ()):
        field: Field = ("training", "stages", number)
        fields: tuple[Field, ...] = tuple((*field, "operations", place) for place in range(len(stage.operations)))
        if not stage.gradual:
            yield Part(stage, number, stage.operations, fields)
            continue
        for place, group in enumerate(stage.gradual):
            first = place == 0
            name = f"{stage.name} ({place + 1} of {len(stage.gradual)})"
            yield Part(
                stage.model_copy(update={"name": name, "operations": (), "gradual": ()}),
                number,
                (*(stage.operations if first else ()), Unfreeze(op="unfreeze", layers=group)),
                (*(fields if first else ()), (*field, "gradual", place)),
                place == len(stage.gradual) - 1,
            )
