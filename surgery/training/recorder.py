"""Callbacks of ours beside those of the recipe: they set the order of an epoch, and write down what it gave."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import keras

from surgery.training.data.order import Batches
from surgery.training.history import EpochRecord


class EpochOrder(keras.callbacks.Callback):  # type: ignore[misc]
    """Gives the batches the order of the epoch that begins.

    Args:
        batches: The batches.
        within: The epoch, counted from 0, of which an interrupted run has done some steps; and how many.
    """

    def __init__(self, batches: Batches, within: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self._batches = batches
        self._within, self._done = within

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._batches.start(epoch, self._done if epoch == self._within else 0)


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Makes a record of each epoch and hands it on. Comes last, so that it sees what other callbacks did.

    Args:
        then: What is told of each record.
        records: Those of the epochs that an interrupted run has done.
        seconds: What that run spent in the epoch after them.
    """

    def __init__(
        self, then: Callable[[EpochRecord], None], records: Iterable[EpochRecord] = (), seconds: float = 0.0
    ) -> None:
        super().__init__()
        self.records = list(records)
        self._then = then
        self._before = seconds
        self._began = 0.0

    @property
    def seconds(self) -> float:
        """How long the epoch takes so far."""
        return self._before + time.perf_counter() - self._began

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items() if name != "learning_rate"}
        seconds, self._before = self.seconds, 0.0
        record = EpochRecord(epoch + 1, metrics, seconds, _learning_rate(self.model.optimizer))
        self.records.append(record)
        self._then(record)


def _learning_rate(optimizer: Any) -> float | None:
    try:
        return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    except (TypeError, ValueError, AttributeError):
        return None
