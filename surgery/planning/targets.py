"""Outputs without targets: a training does not compute them, and leaves alone what leads to them and to no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surgery.errors import DataInvalid, InvalidValue, SurgeryError
from surgery.model.nearest import did_you_mean
from surgery.model.select.graph import upstream
from surgery.model.spec import ModelSpec
from surgery.planning.guards import GuardPlan
from surgery.recipe import Recipe
from surgery.recipe.data import targeted

Keys = tuple[str | int, ...]


def target_errors(recipe: Recipe, model: ModelSpec) -> list[SurgeryError]:
    """Targets, losses and their weights for outputs that the result does not have, and targets that no loss compares."""
    if recipe.training is None:
        return []
    known, names = _outputs(model), targeted(recipe.training.data.train)
    named: list[tuple[str, Keys, Sequence[str]]] = [
        (name, ("training", "data", "train", *keys), known) for name, keys in (names or {}).items()
    ]
    learned = [name for name in known if names is None or name in names]
    errors: list[SurgeryError] = []
    for number, stage in enumerate(recipe.training.stages):
        place: Keys = ("training", "stages", number)
        if isinstance(stage.loss, dict):
            named += [(name, (*place, "loss", name), learned) for name in stage.loss]
            errors += [
                InvalidValue(
                    f"there are targets for '{name}', and no loss",
                    expected=f"a loss for each of {', '.join(learned)}",
                    fix=f"add {name} to the map, or take its targets out of the data",
                    location=recipe.location(*place, "loss"),
                )
                for name in learned
                if name not in stage.loss
            ]
        named += [(name, (*place, "loss_weights", name), learned) for name in stage.loss_weights]
    return [_unknown(recipe, *one) for one in named if one[0] not in one[2]] or errors


def _unknown(recipe: Recipe, name: str, keys: Keys, known: Sequence[str]) -> SurgeryError:
    what = "has no output" if keys[1] == "data" else "learns with no output"
    return DataInvalid(
        f"the model {what} '{name}'",
        expected=f"one of {', '.join(known)}",
        fix=did_you_mean(name, known),
        location=recipe.location(*keys),
    )


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
