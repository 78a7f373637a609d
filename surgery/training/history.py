"""What a training did, as values: stages, epochs, metrics, seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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

    @property
    def ended_early(self) -> bool:
        return len(self.epochs) < self.asked


@dataclass(frozen=True, slots=True)
class History:
    """All stages that ran, in order."""

    stages: tuple[StageRecord, ...] = ()

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
        "reused": stage.reused,
        "epochs": [_epoch(record) for record in stage.epochs],
    }


def _epoch(record: EpochRecord) -> dict[str, Any]:
    return {
        "epoch": record.epoch,
        "seconds": round(record.seconds, 3),
        "learning_rate": record.learning_rate,
        "metrics": dict(record.metrics),
    }
