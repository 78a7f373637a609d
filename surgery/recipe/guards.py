"""Guards against forgetting: what keeps a training from losing what the source model knows."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, Tag
from pydantic_core import PydanticCustomError

from surgery.model.keras_object import LossObject
from surgery.model.select import Selector
from surgery.recipe.data import DataSource
from surgery.recipe.part import Part, tag, told_by

Strength = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class L2SP(Part):
    """Draws weights to the values that they start from: adds `strength / 2` times the sum of squared differences to the loss.

    Li et al. 2018, arXiv:1802.01483.
    """

    strength: Strength
    """How strongly (in the paper alpha); the larger, the less moves."""

    layers: Selector | None = None
    """The layers whose weights are held. Default: all that bring trained values and are trained."""


class EWC(Part):
    """Draws each weight to its start the more, the more the old task depends on it: its Fisher information on old samples.

    Elastic weight consolidation, Kirkpatrick et al. 2017, arXiv:1612.00796.
    """

    strength: Strength
    """How strongly (in the paper lambda): `strength / 2` times Fisher times the squared difference, summed, joins the loss."""

    data: DataSource
    """Samples of the old task, as the source model takes them, with labels that it knows."""

    samples: int = Field(default=512, ge=1)
    """How many of them the Fisher information is estimated on, one gradient each, chosen by the seed. Default 512."""

    loss: LossObject | None = None
    """The loss between the source model's outputs and these labels. Default: that of the first stage."""


class Distill(Part):
    """Lets the source model teach: outputs that it has too stay near to what it says about the training samples.

    Hinton et al. 2015, arXiv:1503.02531; without old samples this is Learning without Forgetting, arXiv:1606.09282.
    """

    weight: Strength = 1.0
    """How much the distance from the teacher counts beside the loss. Default 1."""

    temperature: Strength = 2.0
    """Both answers are softened by it, so that small probabilities count too. Default 2."""


class Replay(Part):
    """Mixes samples of the old task into every batch; an epoch is still one pass over the new ones.

    Experience replay, Rolnick et al. 2019, arXiv:1811.11682.
    """

    data: DataSource
    """Samples of the old task, with labels for the outputs that the changed model has."""

    share: float = Field(default=0.25, gt=0.0, lt=1.0)
    """The part of each batch that they make up; the batch size stays. Default 0.25."""


class L2SPGuard(Part):
    """`l2_sp: {strength: 0.01}`."""

    l2_sp: L2SP
    """Weights stay near to where they start."""


class EWCGuard(Part):
    """`ewc: {strength: 1000, data: {npz: old.npz, x: x, y: y}}`."""

    ewc: EWC
    """Weights that the old task depends on stay near to where they start."""


class DistillGuard(Part):
    """`distill: {weight: 1.0, temperature: 2.0}`."""

    distill: Distill
    """The source model teaches."""


class ReplayGuard(Part):
    """`replay: {data: {npz: old.npz, x: x, y: y}, share: 0.25}`."""

    replay: Replay
    """Old samples in every batch."""


KINDS = ("l2_sp", "ewc", "distill", "replay")

Guard = Annotated[
    Annotated[L2SPGuard, Tag(tag("l2_sp"))]
    | Annotated[EWCGuard, Tag(tag("ewc"))]
    | Annotated[DistillGuard, Tag(tag("distill"))]
    | Annotated[ReplayGuard, Tag(tag("replay"))],
    told_by(*KINDS),
]
"""One guard, told by its only key."""

AnyGuard = L2SPGuard | EWCGuard | DistillGuard | ReplayGuard


def kind_of(guard: AnyGuard) -> str:
    """`l2_sp`, `ewc`, `distill` or `replay`."""
    return next(kind for kind in KINDS if kind in type(guard).model_fields)


def _once(guards: tuple[AnyGuard, ...]) -> tuple[AnyGuard, ...]:
    """Penalties add up; a second teacher would be the same one, and a batch has one share of old samples."""
    kinds = [kind_of(guard) for guard in guards]
    for number, kind in enumerate(kinds):
        if kind in kinds[:number] and kind in ("distill", "replay"):
            raise PydanticCustomError(
                "invalid-value",
                f"{kind} stands here twice",
                {"expected": "it once", "fix": "take one of the two out", "at": (number,)},
            )
    return guards


Guards = Annotated[tuple[Guard, ...], AfterValidator(_once)]
