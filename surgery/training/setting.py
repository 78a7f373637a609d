"""What a stage is told: which layers train, on what, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from surgery.planning.prefix import WHOLE, Prefix
from surgery.planning.rates import Rate
from surgery.recipe.training import Stage
from surgery.training.data.augmentation import Augmentation
from surgery.training.data.examples import Examples, Stream
from surgery.training.frozen_prefix.features import Budget
from surgery.training.guards.guarding import NO_GUARDS, Guarding
from surgery.training.place import Field
from surgery.training.progress import Progress
from surgery.training.watching import Watch


@dataclass(frozen=True)
class StageWork:
    """A stage of the recipe, and which layers train in it, as planned."""

    stage: Stage
    trainable: Mapping[str, bool]
    """The flags of layers by path; a parent comes before its layers."""
    number: int = 0
    """Its place in the recipe."""
    rates: Mapping[str, Rate] = field(default_factory=dict)
    """What the layers have that do not simply learn as the optimizer says."""
    adapted: Sequence[str] = ()
    """The BatchNormalization layers whose statistics follow the data while their gamma and beta stay."""
    prefix: Prefix = WHOLE
    """The frozen layers that are computed once for all epochs."""
    goes_on: bool = False
    """Whether its optimizer takes up the state that it is given: of the stage before, or of the source file."""
    hands_on: bool = False
    """Whether the next stage goes on with the state of its optimizer."""

    @property
    def field(self) -> Field:
        return ("training", "stages", self.number)


@dataclass(frozen=True)
class Setting:
    """What all stages share.

    Args:
        train: What training learns from.
        validation: What is looked at after each epoch.
        batch_size: Examples in a step.
        shuffle: Another order in every epoch.
        seed: The recipe's seed.
        device: `cpu` or `gpu`.
        folder: The folder of the run, in which callbacks write.
        trust: The modules whose code may be imported.
        progress: Where it says how far it is.
        augmentation: Varies the inputs of training batches.
        budget: The room for what frozen layers are computed to; without it they are computed in every step.
        precision: The dtype policy.
        guards: What keeps the stages from losing what the source model knows.
        watch: What is looked at when a stage is over.
        outputs: The places of the outputs that there are targets for; None for all.
        drop_last: Whether the last batch of a pass is left out where it is smaller.
    """

    train: Examples | Stream
    validation: Examples | Stream | None
    batch_size: int
    shuffle: bool
    seed: int
    device: str
    folder: Path
    trust: Sequence[str] = ()
    progress: Progress | None = None
    augmentation: Augmentation | None = None
    budget: Budget | None = None
    precision: str = "float32"
    guards: Guarding = NO_GUARDS
    watch: Watch | None = None
    outputs: Sequence[int] | None = None
    drop_last: bool = False
