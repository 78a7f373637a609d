"""How fast each layer of a stage learns: the stage's selectors and its decay over depth, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from surgery.errors import NothingToDo, SurgeryError
from surgery.model.select import Node, select
from surgery.model.spec import ModelSpec
from surgery.planning.depth import depths
from surgery.recipe.training import Stage


@dataclass(frozen=True, slots=True)
class Rate:
    """What is special about the training of a layer."""

    multiplier: float = 1.0
    """Times the optimizer's learning rate."""
    weight_decay: float | None = None
    """Instead of the optimizer's weight decay."""


def rates(stage: Stage, model: ModelSpec, *, may_wait: bool = False) -> dict[str, Rate]:
    """The layers that do not simply learn as the optimizer says, by path.

    Args:
        stage: The stage.
        model: The model with the flags of the stage.
        may_wait: Whether selectors may match layers that train in a later stage only.

    Raises:
        SurgeryError: A selector matches nothing that trains; its `field` are keys of the stage.
    """
    trained = set(trained_paths(model))
    multipliers, decays = _by_depth(stage, model, trained), dict[str, float]()
    chosen = dict[str, float]()
    for number, part in enumerate(stage.learning_rates):
        chosen |= dict.fromkeys(
            _chosen(model, part.layers, trained, ("learning_rates", number), may_wait), part.multiplier
        )
    for path, multiplier in chosen.items():
        multipliers[path] = multipliers.get(path, 1.0) * multiplier
    for number, decay in enumerate(stage.weight_decay):
        decays |= dict.fromkeys(_chosen(model, decay.layers, trained, ("weight_decay", number), may_wait), decay.rate)
    found = {path: Rate(multipliers.get(path, 1.0), decays.get(path)) for path, _ in model.walk()}
    return {path: rate for path, rate in found.items() if rate != Rate()}


def trained_paths(model: ModelSpec, prefix: str = "") -> Iterator[str]:
    """The layers whose own weights training changes."""
    for layer in model.listed:
        if not layer.trainable:
            continue
        if any(weight.trainable for weight in layer.weights):
            yield f"{prefix}{layer.name}"
        if layer.inner is not None:
            yield from trained_paths(layer.inner, f"{prefix}{layer.name}/")


def _by_depth(stage: Stage, model: ModelSpec, trained: set[str]) -> dict[str, float]:
    if stage.layer_decay is None:
        return {}
    depth: Mapping[str, int] = depths(model)
    return {path: stage.layer_decay ** depth[path] for path in trained}


def _chosen(
    model: ModelSpec, layers: Node, trained: set[str], field: tuple[str | int, ...], may_wait: bool
) -> list[str]:
    """The trained layers among those that a selector matches; a nested model stands for all its layers."""
    try:
        matched = set(select(model, layers))
    except SurgeryError as error:
        error.field = (*field, "layers", *error.field)
        raise
    found = [path for path in trained if any(path == one or path.startswith(f"{one}/") for one in matched)]
    if not found and not may_wait:
        raise NothingToDo(
            "none of these layers trains in this stage",
            expected="layers with weights that the stage trains",
            fix="unfreeze them first, or leave this out",
            field=(*field, "layers"),
        )
    return found
