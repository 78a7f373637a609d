"""The stages of a training, one after the other: flags as planned, compiled anew, fitted, recorded."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from surgery.errors import RunFailed
from surgery.recipe.training import Stage
from surgery.training.fit import Fitted, fit
from surgery.training.history import History, StageRecord
from surgery.training.layers import hold_scale, set_trainable
from surgery.training.optimizer_state import NOTHING, OptimizerState
from surgery.training.progress import Quiet
from surgery.training.seeds import reseed_layers
from surgery.training.setting import Setting, StageWork


@dataclass(frozen=True)
class Outcome:
    """What a training did, and what stopped it, if something did. The model then has its last good weights."""

    history: History
    failure: RunFailed | None = None


def train(model: Any, stages: Sequence[StageWork], setting: Setting, optimizer: OptimizerState = NOTHING) -> Outcome:
    """Trains a model in place, stage by stage, until one fails.

    Args:
        model: The model.
        stages: The stages.
        setting: What all stages share.
        optimizer: The state that the optimizer of the first stage takes up, where it goes on with one.
    """
    done: list[StageRecord] = []
    failure = None
    with setting.progress or Quiet() as progress:
        for work in stages:
            set_trainable(model, work.trainable.items())
            hold_scale(model, work.adapted)
            reseed_layers(model, setting.seed, work.stage.name)
            began = time.perf_counter()
            fitted = fit(model, work, setting, progress, optimizer)
            failure, optimizer = fitted.failure, fitted.optimizer
            done.append(_record(model, work.stage, fitted, time.perf_counter() - began))
            if failure is not None:
                break
    return Outcome(History(tuple(done)), failure)


def _record(model: Any, stage: Stage, fitted: Fitted, seconds: float) -> StageRecord:
    parameters = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    records = tuple(fitted.records)
    return StageRecord(stage.name, stage.epochs, records, seconds, parameters, fitted.frozen_prefix)
