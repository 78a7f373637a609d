"""The stages of a training, one after the other: flags as planned, compiled anew, fitted, recorded."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from surgery.errors import RunFailed
from surgery.execution.stopping import Stopped, is_asked, raise_if_asked
from surgery.recipe.training import Stage
from surgery.training.fit import Fitted, fit
from surgery.training.history import History, StageRecord
from surgery.training.optimizer_state import NOTHING, OptimizerState
from surgery.training.progress import Progress, Quiet
from surgery.training.resuming.checkpoint import Checkpoint
from surgery.training.resuming.course import Course
from surgery.training.resuming.keeping import NOT_KEPT, Keeping
from surgery.training.seeds import reseed_layers
from surgery.training.setting import Setting, StageWork
from surgery.training.stops import good_at, stop_between, stop_failure


@dataclass(frozen=True)
class Outcome:
    """What a training did, and what stopped it, if something did. The model then has its last good weights."""

    history: History
    failure: RunFailed | None = None


def train(
    model: Any,
    stages: Sequence[StageWork],
    setting: Setting,
    optimizer: OptimizerState = NOTHING,
    keeping: Keeping = NOT_KEPT,
) -> Outcome:
    """Trains a model in place, stage by stage, until one fails.

    Args:
        model: The model.
        stages: The stages.
        setting: What all stages share.
        optimizer: The state that the optimizer of the first stage takes up, where it goes on with one.
        keeping: Where the training is kept, and what is kept of earlier ones.
    """
    course = Course(model, stages, optimizer, keeping.kept)
    with setting.progress or Quiet() as progress:
        if setting.watch is not None and course.done and course.underway is None:
            # A signal may have come before it was looked at.
            course.done[-1] = setting.watch.after(model, course.done[-1], is_last=not course.left)
        for work in course.left:
            done = _trained(model, work, setting, progress, course, keeping)
            if done.failure is not None:
                return Outcome(History((*course.done, done.record)), done.failure)
            record = done.record
            if setting.watch is not None:
                record = setting.watch.after(model, record, is_last=work is stages[-1])
            course.finish(record, done.optimizer)
            if keeping.before is not None and not done.record.reused:
                keeping.before.keep(course)
            if (failure := _kept(course, keeping.checkpoint)) is not None:
                return Outcome(History(tuple(course.done)), failure)
    return Outcome(History(tuple(course.done)))


@dataclass(frozen=True)
class _Done:
    """A stage that is over."""

    record: StageRecord
    optimizer: OptimizerState
    failure: RunFailed | None = None


def _trained(
    model: Any, work: StageWork, setting: Setting, progress: Progress, course: Course, keeping: Keeping
) -> _Done:
    """Carries out a stage, or takes it over from an earlier run."""
    began, begun, name = time.perf_counter(), course.underway, work.stage.name
    course.begin(work)
    if begun is None:
        reseed_layers(model, setting.seed, name)
        found = None if keeping.before is None else keeping.before.find(course, work)
        if found is not None:
            progress.say(f"stage '{name}': done before, not done again")
            return _Done(found.stages[0], found.optimizer)
    try:
        fitted = fit(model, work, setting, progress, course, keeping.checkpoint)
    except Stopped as stop:  # before the first step
        if keeping.checkpoint is not None and begun is None:
            keeping.checkpoint.write(course.state(), f"the beginning of stage '{name}'")
        fitted = Fitted([], stop_failure(stop, name, (1, 0), good_at(begun)), None)
    seconds = time.perf_counter() - began + (begun.seconds if begun else 0.0)
    return _Done(_record(model, work.stage, fitted, seconds), fitted.optimizer, fitted.failure)


def _kept(course: Course, checkpoint: Checkpoint | None) -> RunFailed | None:
    """Keeps the training between two stages, when it is time, and behind the last one. What stopped it there, if something did."""
    name = course.done[-1].name
    try:
        if checkpoint is not None and (is_asked() or not course.left or checkpoint.is_due(course.variables.size)):
            checkpoint.write(course.state(), f"the end of stage '{name}'")
        if course.left:
            raise_if_asked()
    except Stopped as stop:
        return stop_between(stop, name)
    except RunFailed as error:
        return error
    return None


def _record(model: Any, stage: Stage, fitted: Fitted, seconds: float) -> StageRecord:
    parameters = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    records = tuple(fitted.records)
    return StageRecord(
        *(stage.name, stage.epochs, records, seconds, parameters, fitted.frozen_prefix),
        agreement=fitted.agreement,
        whole_because=fitted.whole_because,
        loss_scale=fitted.loss_scale,
        unmoved=fitted.unmoved,
    )
