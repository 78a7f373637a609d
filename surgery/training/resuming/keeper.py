"""Keeps the state of a stage while it is fitted: at the ends of epochs and between steps, when it is time or a signal came."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import keras

from surgery.execution.stopping import is_asked
from surgery.training.data.examples import Array
from surgery.training.recorder import Recorder
from surgery.training.resuming.callback_state import Callbacks, untaken
from surgery.training.resuming.checkpoint import Checkpoint
from surgery.training.resuming.course import Course
from surgery.training.resuming.state import Live, TrainingState, Underway, are_finite, give, value_of


@dataclass(frozen=True)
class Fitting:
    """What there is to keep of a stage beside the model.

    Args:
        name: That of the stage.
        epochs: Its epochs.
        steps: Those of an epoch; None where only its source knows them, and only ends of epochs can be kept.
        has_validation: Whether something is looked at after each epoch.
        callbacks: The recipe's callbacks.
        recorder: Has the records of its epochs.
    """

    name: str
    epochs: int
    steps: int | None
    has_validation: bool
    callbacks: Callbacks
    recorder: Recorder


@dataclass(frozen=True)
class _Steps:
    """What will be forgotten when validation begins."""

    metrics: list[Array]
    callbacks: list[Any]


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Comes behind all callbacks whose state it keeps. Gives them their states when a stage goes on.

    Args:
        course: How far the training is.
        checkpoint: Where it is kept.
        fitting: The stage.
        begun: How far an interrupted run came with it.
    """

    def __init__(self, course: Course, checkpoint: Checkpoint, fitting: Fitting, begun: Underway | None) -> None:
        super().__init__()
        self._course, self._checkpoint, self._fitting, self._begun = course, checkpoint, fitting, begun
        self._epoch = begun.epoch if begun else 0
        self._since = time.perf_counter() - (begun.seconds if begun else 0.0)
        self._size = 0
        self._before_validation: _Steps | None = None
        self._last_end: TrainingState | None = None
        """The state at the end of the last epoch, where no step can be kept."""

    def on_train_begin(self, logs: Any = None) -> None:
        optimizer = self.model.optimizer
        if not optimizer.built and (self._begun is not None or self._fitting.steps is None):
            optimizer.build(self.model.trainable_variables)
        if self._begun is not None:
            _give_all(optimizer.variables, self._begun.optimizer.values())
            self._fitting.callbacks.restore(self._begun.callbacks)
        if self._fitting.steps is None:
            self._last_end = _read(self._taken(self._epoch))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        begun = self._begun
        if begun is not None and begun.epoch == epoch and begun.step and begun.logs is None:
            _give_all(self.model.metrics_variables, begun.metrics)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        step, steps = batch + 1, self._fitting.steps
        if step == steps and self._fitting.has_validation:
            self._before_validation = self._steps()
        if is_asked() or self._is_due():
            logs = self._results() if step == steps else None
            self._write(self._last_end if steps is None else self._taken(self._epoch, step, self._steps(), logs))

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if not is_asked():
            return
        before, steps = self._before_validation, self._fitting.steps
        if before is None or steps is None:
            self._write(self._last_end)
            return
        self._sync()
        _give_all(self.model.metrics_variables, before.metrics)
        self._write(self._taken(self._epoch, steps, before, self._results()))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        done = self._fitting.epochs if self.model.stop_training else epoch + 1
        if self._fitting.steps is None:
            self._last_end = _read(self._taken(done))
        if is_asked() or self._is_due():
            self._write(self._last_end or self._taken(done))

    def _is_due(self) -> bool:
        if not self._size:
            kept = [*self._course.variables.changing(), *self.model.optimizer.variables]
            self._size = sum(4 * math.prod(variable.shape) for variable in kept)
        return self._checkpoint.is_due(self._size)

    def _results(self) -> dict[str, Array]:
        """What the metrics have come to."""
        self._sync()
        return {name: value_of(value) for name, value in self.model.get_metrics_result().items()}

    def _steps(self) -> _Steps:
        self._sync()
        return _Steps([value_of(one) for one in self.model.metrics_variables], self._fitting.callbacks.states())

    def _taken(
        self, epoch: int, step: int = 0, steps: _Steps | None = None, logs: dict[str, Array] | None = None
    ) -> TrainingState | None:
        """The state of now. None where weights are no numbers, which never take the place of good ones.

        Args:
            epoch: Epochs that are done.
            step: Steps of the next epoch that are done.
            steps: What these came to.
            logs: What the metrics came to, where all steps are done.
        """
        self._sync()
        if not are_finite(self._course.variables.changing()):
            return None
        recorder = self._fitting.recorder
        return self._course.state(
            Underway(
                epoch,
                step,
                tuple(recorder.records),
                time.perf_counter() - self._since,
                recorder.seconds if step else 0.0,
                Live({str(number): one for number, one in enumerate(self.model.optimizer.variables)}),
                [] if steps is None else steps.metrics,
                logs,
                self._fitting.callbacks.states() if steps is None else steps.callbacks,
                self._course.key,
                self._course.agreement,
                self._course.start,
            )
        )

    def _write(self, state: TrainingState | None) -> None:
        if state is None or state.underway is None:
            return
        begun = state.underway
        place = f"epoch {begun.epoch + 1}, step {begun.step}" if begun.step else f"the end of epoch {begun.epoch}"
        self._checkpoint.write(state, f"stage '{self._fitting.name}', {place}", untaken(begun.callbacks))

    def _sync(self) -> None:
        """On JAX the model's variables are elsewhere while `fit` runs."""
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()


def _read(state: TrainingState | None) -> TrainingState | None:
    return None if state is None else state.read()


def _give_all(variables: list[Any], values: Collection[Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        give(variable, value)
