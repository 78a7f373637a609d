"""What a training did, as values: stages, epochs, metrics, seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from surgery.training.frozen_prefix.agreement import Agreement
from surgery.training.loss_scale import LossScale
from surgery.training.moved import Unmoved


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch: its number from 1, the metrics at its end, how long it took."""

    epoch: int
    metrics: Mapping[str, float]
    seconds: float
    learning_rate: float | None = None


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage. Fewer epochs than asked for means that a callback ended it."""

    name: str
    asked: int
    epochs: tuple[EpochRecord, ...]
    seconds: float
    trainable_parameters: int
    frozen_prefix: str | None = None
    """Which frozen layers were computed once, in a sentence."""
    reused: bool = False
    """Whether an earlier run has done it, and this one not again."""
    evaluation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """The metrics of each evaluation on the model as the stage leaves it."""
    guards: Mapping[str, float] = field(default_factory=dict)
    """What each guard against forgetting adds to the loss of that model, by its place in the recipe's list."""
    agreement: Agreement | None = None
    """How near the features of the frozen layers came to what the whole network computes, where they were compared."""
    whole_because: str | None = None
    """Why the whole network trained though the plan computes frozen layers once."""
    loss_scale: LossScale | None = None
    """What the loss was multiplied by, so that small gradients are not zero in float16."""
    unmoved: Unmoved | None = None
    """The variables that the stage trained and that are as they were."""

    @property
    def ended_early(self) -> bool:
        return len(self.epochs) < self.asked


@dataclass(frozen=True, slots=True)
class History:
    """All stages that ran, in order."""

    stages: tuple[StageRecord, ...] = ()

    def ended_with(self, values: Mapping[str, Mapping[str, float]]) -> History:
        """The same history; the last stage left the result, which has these metrics in each evaluation."""
        if not self.stages:
            return self
        return History((*self.stages[:-1], replace(self.stages[-1], evaluation=values)))

    def to_json(self) -> list[dict[str, Any]]:
        """The `stages` of `run.json`."""
        return [_stage(stage) for stage in self.stages]


def _stage(stage: StageRecord) -> dict[str, Any]:
    return {
        "name": stage.name,
        "epochs_asked": stage.asked,
        "ended_early": stage.ended_early,
        "seconds": round(stage.seconds, 3),
        "trainable_parameters": stage.trainable_parameters,
        "frozen_prefix": stage.frozen_prefix,
        "features": asdict(stage.agreement) if stage.agreement else None,
        "whole_because": stage.whole_because,
        "loss_scale": asdict(stage.loss_scale) if stage.loss_scale else None,
        "unmoved": {**asdict(stage.unmoved), "is_all": stage.unmoved.is_all} if stage.unmoved else None,
        "reused": stage.reused,
        "epochs": [_epoch(record) for record in stage.epochs],
        "evaluation": [
            {"evaluation": name, "metric": metric, "value": value}
            for name, values in stage.evaluation.items()
            for metric, value in values.items()
        ],
        "guards": [{"number": int(number), "loss": loss} for number, loss in stage.guards.items()],
    }


def _epoch(record: EpochRecord) -> dict[str, Any]:
    return {
        "epoch": record.epoch,
        "seconds": round(record.seconds, 3),
        "learning_rate": record.learning_rate,
        "metrics": dict(record.metrics),
    }
