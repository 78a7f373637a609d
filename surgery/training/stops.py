"""What stops a run that cannot end well: numbers that are no numbers, and memory. The last good weights stay."""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from typing import Any

import keras

from surgery.errors import Interrupted, RunFailed, Terminated
from surgery.execution.stopping import Stopped, raise_if_asked
from surgery.execution.users_code import code_failed
from surgery.training.layers import changing
from surgery.training.resuming.state import Underway, are_finite, value_of

OF_BACKENDS = {"tensorflow": {"InvalidArgumentError"}, "jax": set(), "torch": {"RuntimeError", "IndexError"}}
"""What backends raise, besides ValueError and TypeError, when data, loss and model do not fit."""


class Snapshot:
    """The values of the variables that training may change, as they were at some moment."""

    def __init__(self, model: Any) -> None:
        self._values = [(variable, value_of(variable)) for variable in changing(model)]
        self._is_whole = True

    def take(self) -> None:
        """The values of now, in place of those before."""
        self._is_whole = False
        for variable, value in self._values:
            value[...] = keras.ops.convert_to_numpy(variable)
        self._is_whole = True

    def restore(self) -> None:
        """Gives the variables these values. Where memory ran out while they were taken, the variables have them still."""
        if self._is_whole:
            for variable, value in self._values:
                variable.assign(value)

    @property
    def is_still_finite(self) -> bool:
        """Whether the variables are numbers now."""
        return are_finite(variable for variable, _ in self._values)


class StopOnNonFinite(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops at the first loss that is NaN or infinite, and at the end of an epoch whose weights are.

    Comes before every callback that writes or remembers weights. On the CPU each step is looked at as it ends; on another
    device looking would make every step wait, so that the step is found a few steps late.
    """

    def __init__(self, stage: str, device: str, model: Any, begun: Underway | None = None) -> None:
        super().__init__()
        self.good = Snapshot(model)
        self.kept = good_at(begun)
        """Which weights the good ones are."""
        self.async_safe = device != "cpu"
        self._stage = stage
        self._epoch = 0
        self._failed_step: int | None = None
        self.position = (1, 1)
        """Epoch and step, from 1, that ran last. JAX and Torch take a model together with its first batch, before any epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._failed_step = epoch + 1, None
        self.position = (self._epoch, 1)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._failed_step is not None:
            raise self._failure(f"the loss is not a number any more at step {self._failed_step}")
        self.position = (self._epoch, batch + 1)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # The loss that Keras reports is a mean over the epoch: once it is not finite it stays so.
        if self._failed_step is None and not math.isfinite((logs or {}).get("loss", 0.0)):
            self._failed_step = batch + 1
            if not self.async_safe:
                self.on_train_batch_begin(batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for key, word in (("loss", "the loss"), ("val_loss", "the validation loss")):
            if not math.isfinite((logs or {}).get(key, 0.0)):
                raise self._failure(f"{word} is not a number any more")
        if not self.good.is_still_finite:
            raise self._failure("weights are not numbers any more")
        self.kept = f"the weights after epoch {self._epoch}"
        self.good.take()

    def _failure(self, what: str) -> RunFailed:
        return RunFailed(
            f"stage '{self._stage}', epoch {self._epoch}: {what}",
            expected=f"finite numbers; {self.kept} are kept",
            fix="a learning rate 10 times smaller, or clipnorm: 1.0 in the optimizer",
        )


class StopBetweenSteps(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends training after the step during which a signal came, so that no variable is half updated."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        raise_if_asked()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        raise_if_asked()


def good_at(begun: Underway | None) -> str:
    """Which weights are the last good ones when a stage begins, or goes on from where it was interrupted."""
    if begun is None or (begun.epoch, begun.step) == (0, 0):
        return "the weights from before the stage"
    return "the weights with which it was resumed" if begun.step else f"the weights after epoch {begun.epoch}"


def stop_failure(stop: Stopped, stage: str, position: tuple[int, int], kept: str) -> RunFailed:
    """The failure that a signal during training stands for."""
    epoch, step = position
    return _stopped(stop, f"stage '{stage}', epoch {epoch}, step {step}", kept)


def stop_between(stop: Stopped, stage: str) -> RunFailed:
    """The failure that a signal stands for which comes when a stage is over."""
    return _stopped(stop, f"after stage '{stage}'", "the trained weights")


def stop_after_training(stop: Stopped) -> RunFailed:
    """The failure that a signal stands for which comes when the training is over."""
    return _stopped(stop, "after the training", "the trained weights")


def _stopped(stop: Stopped, where: str, kept: str) -> RunFailed:
    word, kind = ("interrupted", Interrupted) if stop.number == signal.SIGINT else ("told to stop", Terminated)
    return kind(f"{where}: {word}", expected=f"the end of the run; {kept} are kept", fix="run it again")


def known_failure(
    error: Exception, stage: str, position: tuple[int, int], batch_size: int, trust: Sequence[str] = ()
) -> RunFailed | None:
    """The failure that an error during training stands for. None where it is an error of ours.

    Args:
        error: The error.
        stage: The stage that trained.
        position: Epoch and step, from 1.
        batch_size: Examples in a step.
        trust: The modules of the user's whose errors are their own.
    """
    if is_out_of_memory(error):
        return out_of_memory(stage, position, batch_size)
    if (failed := code_failed(error, trust)) is not None:
        failed.what = f"stage '{stage}', epoch {position[0]}, step {position[1]}: {failed.what}"
        failed.expected = f"{failed.expected}; the last good weights are kept"
        return failed
    if isinstance(error, (ValueError, TypeError)) or type(error).__name__ in OF_BACKENDS[keras.backend.backend()]:
        epoch, step = position
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return RunFailed(
            f"stage '{stage}', epoch {epoch}, step {step}: Keras stopped: {first}",
            expected="data, loss and metrics that fit the model; the last good weights are kept",
            fix="compare them with what surgery inspect prints of the model",
        )
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python or of a backend means that memory ran out."""
    name, text = type(error).__name__, str(error)
    return (
        isinstance(error, MemoryError)
        or name in {"ResourceExhaustedError", "OutOfMemoryError"}
        or (name in {"XlaRuntimeError", "JaxRuntimeError"} and "RESOURCE_EXHAUSTED" in text)
        or (name == "RuntimeError" and "can't allocate memory" in text)  # Torch on a CPU
    )


def out_of_memory(stage: str, position: tuple[int, int], batch_size: int) -> RunFailed:
    """The error to raise instead."""
    epoch, step = position
    smaller = batch_size // 2
    return RunFailed(
        f"stage '{stage}', epoch {epoch}, step {step}: memory ran out with {batch_size} examples in a batch",
        expected="a batch and what the layers make of it, in the memory of the device",
        fix=f"batch_size: {smaller}" if smaller else "smaller inputs, or more frozen layers",
    )
