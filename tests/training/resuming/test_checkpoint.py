"""When a checkpoint is due, and what it says."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from surgery.errors import CheckpointInvalid
from surgery.training.history import EpochRecord, StageRecord
from surgery.training.optimizer_state import OptimizerState
from surgery.training.resuming import checkpoint as module
from surgery.training.resuming.bundle import write_bundle
from surgery.training.resuming.callback_state import Callbacks
from surgery.training.resuming.checkpoint import Checkpoint, head_of, read_checkpoint
from surgery.training.resuming.state import TrainingState, Underway, Variables
from tests.training import small

pytestmark = pytest.mark.keras


class Clock:
    """A clock that stands still."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def state() -> TrainingState:
    record = EpochRecord(1, {"loss": float("nan"), "accuracy": 0.1}, 0.5, None)
    variables = {"dense 0": np.arange(3, dtype="float32")}
    begun = Underway(1, 2, (record,), 3.0, 1.0, {"0": np.array(5)}, [], None, [None], "key")
    carried = OptimizerState({("dense", 0, "momentum"): np.ones(3)}, {("dense", 0): 7})
    return TrainingState((StageRecord("head", 2, (record,), 1.5, 3),), variables, carried, begun)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    Checkpoint(path, {"seed": "1"}, [{"when": "then"}]).write(state(), "here", ["Counting keeps 'seen'"])
    head, read = read_checkpoint(path)
    assert repr(read) == repr(state())
    assert head == head_of(path)
    assert (head.where, head.facts, head.resumed) == ("here", {"seed": "1"}, ({"when": "then"},))
    assert head.untaken == ("Counting keeps 'seen'",)


def test_another_format_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "checkpoint", {"format": "surgery-checkpoint-9"}, {})
    for read in (head_of, read_checkpoint):
        with pytest.raises(CheckpointInvalid, match="surgery-checkpoint-9"):
            read(tmp_path / "checkpoint")


def test_it_takes_a_hundredth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    checkpoint = Checkpoint(tmp_path / "checkpoint", {})
    # 3 GB are expected to take 10 seconds, until it is known better.
    clock.now = 999
    assert not checkpoint.is_due(3 * 10**9)
    clock.now = 1001
    assert checkpoint.is_due(3 * 10**9)

    def slow(*_: object) -> None:
        clock.now += 2

    monkeypatch.setattr(module, "write_bundle", slow)
    checkpoint.write(state(), "here")
    clock.now += 199
    assert not checkpoint.is_due(1)
    clock.now += 2
    assert checkpoint.is_due(3 * 10**9)


def test_weights_that_never_change_are_not_kept_twice() -> None:
    model = small.model()
    model.get_layer("hidden").trainable = False
    variables = Variables(model)
    variables.train()
    assert [name for name in variables.values() if name.startswith("hidden")] == []
    stopping = keras.callbacks.EarlyStopping(monitor="loss", restore_best_weights=True)
    stopping.set_model(model)
    stopping.on_train_begin()
    stopping.on_epoch_end(0, {"loss": 1.0})
    best = stopping.best_weights
    callbacks = Callbacks([stopping], variables.is_changed)
    (kept,) = callbacks.states()
    assert [array is None for array in kept["attributes"]["best_weights"]["weights"]] == [True] * 2 + [False] * 6
    stopping.on_train_begin()
    callbacks.restore([kept])
    assert small.same(stopping.best_weights, best)
    assert (stopping.best, stopping.wait) == (1.0, 0)


def test_values_are_read_when_they_are_written(tmp_path: Path) -> None:
    model = small.model()
    variables = Variables(model)
    variables.train()
    taken = TrainingState((), variables.values())
    before = taken.read()
    head = model.get_layer("head")
    head.bias.assign([1.0, 2.0, 3.0])
    Checkpoint(tmp_path / "checkpoint", {}).write(taken, "here")
    _, kept = read_checkpoint(tmp_path / "checkpoint")
    assert list(kept.variables) == list(before.variables)
    (name,) = [name for name in kept.variables if not np.array_equal(kept.variables[name], before.variables[name])]
    np.testing.assert_array_equal(kept.variables[name], [1.0, 2.0, 3.0])
