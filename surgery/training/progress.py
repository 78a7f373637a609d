"""What a person sees while a model trains: a bar with the time left on a terminal, a line for each epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

import keras

from surgery.errors import printable
from surgery.training.history import EpochRecord

REDRAWN = 0.2
"""Seconds between two looks at the metrics of a running epoch."""


class Progress(Protocol):
    """Where a training says how far it is. A context manager around all stages."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stage(self, name: str, epochs: int, steps: int | None) -> None:
        """A stage begins. `steps` are those of an epoch, where they are known."""

    def step(self, epoch: int, step: int, metrics: Mapping[str, float]) -> None:
        """A step of an epoch has ended; both count from 1."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch has ended."""

    def say(self, text: str) -> None:
        """Something that a person should know, in a line."""


class Quiet:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def stage(self, name: str, epochs: int, steps: int | None) -> None:
        return None

    def step(self, epoch: int, step: int, metrics: Mapping[str, float]) -> None:
        return None

    def epoch(self, record: EpochRecord) -> None:
        return None

    def say(self, text: str) -> None:
        return None


class Lines(Quiet):
    """One plain line for each epoch."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._name, self._epochs = "", 0

    def stage(self, name: str, epochs: int, steps: int | None) -> None:
        self._name, self._epochs = printable(name), epochs

    def epoch(self, record: EpochRecord) -> None:
        metrics = metrics_text(record.metrics)
        line = f"{self._name}: epoch {record.epoch}/{self._epochs}  {record.seconds:.1f} s  {metrics}"
        print(line.rstrip(), file=self._stream, flush=True)

    def say(self, text: str) -> None:
        print(printable(text), file=self._stream, flush=True)


class Bar(Lines):
    """A bar for each stage with the time that it has left, and above it a line for each epoch that has ended."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        super().__init__(stream)
        self._progress = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}", markup=False),
            console=Console(file=stream),
            transient=True,
        )
        self._task: Any = None
        self._steps: int | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stage(self, name: str, epochs: int, steps: int | None) -> None:
        super().stage(name, epochs, steps)
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._steps = steps
        total = epochs * steps if steps else None
        self._task = self._progress.add_task(self._name, total=total, metrics="")

    def step(self, epoch: int, step: int, metrics: Mapping[str, float]) -> None:
        done = (epoch - 1) * (self._steps or 0) + step
        description = f"{self._name} {epoch}/{self._epochs}"
        self._progress.update(self._task, completed=done, description=description, metrics=metrics_text(metrics))

    def epoch(self, record: EpochRecord) -> None:
        metrics = metrics_text(record.metrics)
        line = f"{self._name}: epoch {record.epoch}/{self._epochs}  {record.seconds:.1f} s  {metrics}"
        self._progress.console.print(line.rstrip(), markup=False, highlight=False)

    def say(self, text: str) -> None:
        self._progress.console.print(printable(text), markup=False, highlight=False)


class StepReporter(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells a progress about steps, a few times a second; between those it costs nothing."""

    async_safe = True

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._epoch, self._last = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.monotonic()
        if now - self._last >= REDRAWN:
            self._last = now
            self._progress.step(self._epoch, batch + 1, logs or {})


def progress_for(stream: TextIO | None = None, *, quiet: bool = False) -> Progress:
    """The progress that suits where it is written: standard error, unless another stream is given."""
    stream = sys.stderr if stream is None else stream
    if quiet:
        return Quiet()
    return Bar(stream) if stream.isatty() else Lines(stream)


def metrics_text(metrics: Mapping[str, float]) -> str:
    """`loss 0.1234  accuracy 0.9812`."""
    return "  ".join(f"{printable(name)} {_short(value)}" for name, value in metrics.items())


def _short(value: float) -> str:
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.3e}"
