"""Callbacks of ours beside those of the recipe: they set the order of an epoch, and write down what it gave."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras

from surgery.training.history import EpochRecord
from surgery.training.order import Batches


class EpochOrder(keras.callbacks.Callback):  # type: ignore[misc]
    """Gives the batches the order of the epoch that begins."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._batches.start(epoch)


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Makes a record of each epoch and hands it on. Comes last, so that it sees what other callbacks did."""

    def __init__(self, then: Callable[[EpochRecord], None]) -> None:
        super().__init__()
        self.records: list[EpochRecord] = []
        self._then = then
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items() if name != "learning_rate"}
        seconds = time.perf_counter() - self._began
        record = EpochRecord(epoch + 1, metrics, seconds, _learning_rate(self.model.optimizer))
        self.records.append(record)
        self._then(record)


def _learning_rate(optimizer: Any) -> float | None:
    try:
        return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    except (TypeError, ValueError, AttributeError):
        return None
