"""`fit` from anywhere: at the beginning of an epoch, within one, or before its validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from surgery.training.resuming.state import Underway


class OneTraining(keras.callbacks.CallbackList):  # type: ignore[misc]
    """Lets callbacks see one training where `fit` is called twice, and steps counted from the first of their epoch.

    Args:
        callbacks: The callbacks.
        done: The steps of the first epoch that were done before.
        parameters: As Keras gives them to a list of callbacks.
    """

    def __init__(self, callbacks: list[Any], done: int, **parameters: Any) -> None:
        super().__init__(callbacks, add_history=True, **parameters)
        self.done = done
        self.is_last = False
        """Whether the call of `fit` that runs is the last one."""
        self._has_begun = False

    def on_train_begin(self, logs: Any = None) -> None:
        if not self._has_begun:
            self._has_begun = True
            super().on_train_begin(logs)

    def on_train_end(self, logs: Any = None) -> None:
        if self.is_last:
            super().on_train_end(logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_begin(batch + self.done, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_end(batch + self.done, logs)


@dataclass(frozen=True, slots=True)
class Fit:
    """How long a stage is.

    Args:
        epochs: The epochs of the whole stage.
        steps: Those of an epoch, where a stream does not say them.
        validation_steps: Those of a look at the validation examples, where a stream does not say them.
    """

    epochs: int
    steps: int | None = None
    validation_steps: int | None = None


def fit_from(begun: Underway | None, model: Any, data: Any, validation: Any, how: Fit, callbacks: list[Any]) -> None:
    """Trains a compiled model for the epochs, or the rest of them.

    Args:
        begun: How far the stage is.
        model: The model.
        data: What it learns from; `order.Batches` where the stage was left within an epoch.
        validation: What is looked at after each epoch.
        how: How long the stage is.
        callbacks: Those of the whole stage.
    """
    # Keras 3.15 would shuffle the batches of a PyDataset once more, by Python's global generator.
    epochs = how.epochs
    keys = {"epochs": epochs, "shuffle": False, "validation_data": validation, "verbose": 0}
    keys |= {"steps_per_epoch": how.steps, "validation_steps": how.validation_steps}
    if begun is None or not begun.step:
        first = 0 if begun is None else begun.epoch
        model.fit(data, initial_epoch=first, callbacks=callbacks, **keys)
        return
    data.start(begun.epoch)
    whole = OneTraining(callbacks, begun.step, model=model, epochs=epochs, steps=data.num_batches, verbose=0)
    data.start(begun.epoch, begun.step)
    with _unfinished(model.optimizer):
        if begun.logs is None:
            # Metrics have no variables to take up before the first step, unless Keras builds them (3.15; on JAX and Torch it
            # does so itself).
            model._symbolic_build(data_batch=data[0])
            model.fit(data, initial_epoch=begun.epoch, callbacks=whole, **keys | {"epochs": begun.epoch + 1})
        else:
            _validate(model, validation, whole, begun.epoch, begun.logs, how.validation_steps)
    whole.done, whole.is_last = 0, True
    first = epochs if model.stop_training else begun.epoch + 1
    data.start(first)
    model.fit(data, initial_epoch=first, callbacks=whole, **keys)


def _validate(
    model: Any, validation: Any, callbacks: OneTraining, epoch: int, logs: Mapping[str, Any], steps: int | None
) -> None:
    """What `fit` does in an epoch when its steps are done (Keras 3.15)."""
    model.stop_training = False
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(epoch)
    found: dict[str, Any] = {}
    if validation is not None:
        found = model.evaluate(validation, steps=steps, callbacks=callbacks, return_dict=True, verbose=0)
    callbacks.on_epoch_end(epoch, {**logs, **{f"val_{name}": value for name, value in found.items()}})


@contextmanager
def _unfinished(optimizer: Any) -> Iterator[None]:
    """Meanwhile the end of a `fit` is not the end: averaged weights do not take the place of the others."""
    optimizer.finalize_variable_values = lambda _: None
    try:
        yield
    finally:
        del optimizer.finalize_variable_values
