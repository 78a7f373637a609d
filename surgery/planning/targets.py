"""Outputs without targets: a training does not compute them, and leaves alone what leads to them and to no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surgery.errors import DataInvalid, SurgeryError
from surgery.model.nearest import did_you_mean
from surgery.model.select.graph import upstream
from surgery.model.spec import ModelSpec
from surgery.planning.guards import GuardPlan
from surgery.recipe import Recipe
from surgery.recipe.data import targeted


def unknown_targets(recipe: Recipe, model: ModelSpec) -> list[SurgeryError]:
    """Targets of the training for outputs that the result does not have."""
    if recipe.training is None:
        return []
    known = _outputs(model)
    keys = ("training", "data", "train")
    source = recipe.training.data.train
    return [
        DataInvalid(
            f"the model has no output '{name}'",
            expected=f"one of {', '.join(known)}",
            fix=did_you_mean(name, known),
            location=recipe.location(*keys, *(("output",) if hasattr(source, "output") else ("y", name))),
        )
        for name in targeted(source) or ()
        if name not in known
    ]


def untargeted_notes(recipe: Recipe, model: ModelSpec, guards: Sequence[GuardPlan]) -> Iterator[str]:
    """What a training leaves alone for want of targets, in a sentence for each output.

    Args:
        recipe: The recipe.
        model: The model as its last stage trains it.
        guards: The guards; what one of them teaches is learned without targets.
    """
    names = None if recipe.training is None else targeted(recipe.training.data.train)
    if names is None:
        return
    taught = {lesson.name for guard in guards for lesson in guard.taught}
    learned = {name for name in _outputs(model) if name in names or name in taught}
    reached = upstream(model, learned)
    for name in _outputs(model):
        if name not in learned:
            still = [path for path in upstream(model, [name]) - reached if model.by_name[path].trainable]
            left = sorted(path for path in still if model.by_name[path].weights)
            kept = (
                f", and {', '.join(left)} {'stays as it is' if len(left) == 1 else 'stay as they are'}" if left else ""
            )
            yield f"There are no targets for '{name}': no stage computes it{kept}."


def _outputs(model: ModelSpec) -> list[str]:
    return [ref.layer for ref in model.refs_out()]
