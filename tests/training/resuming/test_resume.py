"""A training that was interrupted anywhere, and goes on: as if nothing had happened, bit by bit."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.errors import CheckpointInvalid, Terminated
from surgery.model.keras_object import LayerObject
from surgery.training.data.augmentation import Augmentation
from surgery.training.data.examples import Stream
from surgery.training.data.order import Batches
from surgery.training.frozen_prefix.features import Budget
from surgery.training.progress import StepReporter
from surgery.training.resuming.callback_state import Callbacks, untaken
from surgery.training.resuming.checkpoint import Checkpoint, read_checkpoint
from surgery.training.setting import StageWork
from surgery.training.stages import Outcome
from tests.halves import halves
from tests.training import small
from tests.training.frozen_prefix.test_features import CUT, HEAD, images
from tests.training.frozen_prefix.test_features import model as images_model
from tests.training.resuming.interrupting import ALL, At, plain, states, trained

pytestmark = pytest.mark.keras

Whole = tuple[list[np.ndarray], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """States and history of the training that nothing interrupts."""
    model, outcome = trained(tmp_path_factory.mktemp("whole"))
    assert [len(stage.epochs) for stage in outcome.history.stages] == [2, 3, 3]
    return states(model), plain(outcome)


def chained(folder: Path, moments: list[At], **changes: Any) -> tuple[keras.Model, Outcome]:
    """A training that is interrupted at each of these moments, and goes on each time in a new model."""
    for number, moment in enumerate(moments):
        _, outcome = trained(folder, moment, resume=number > 0, **changes)
        assert isinstance(outcome.failure, Terminated)
    model, outcome = trained(folder, resume=True, **changes)
    assert outcome.failure is None
    return model, outcome


EPOCHS = [("head", 1), ("head", 2), ("all", 1), ("all", 2), ("all", 3), ("settle", 1), ("settle", 2)]


def test_stopped_at_every_epoch_of_every_stage(tmp_path: Path, whole: Whole) -> None:
    model, outcome = chained(tmp_path, [At(stage, epoch, 0) for stage, epoch in EPOCHS])
    assert plain(outcome) == whole[1]
    assert small.same(states(model), whole[0])


def test_stopped_within_epochs_and_in_their_validation(tmp_path: Path, whole: Whole) -> None:
    moments = [("head", 1, 1), ("head", 1, 6), ("all", 1, 5), ("all", 3, 2), ("settle", 3, 6)]
    model, outcome = chained(tmp_path, [At(*moment) for moment in moments])
    assert plain(outcome) == whole[1]
    assert small.same(states(model), whole[0])


def test_stopped_while_it_validates(tmp_path: Path, whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def looking(self: StepReporter, batch: int, logs: Any = None) -> None:
        seen.append(batch)
        if len(seen) in (3, 21):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(StepReporter, "on_test_batch_begin", looking)
    model, outcome = chained(tmp_path, [At("", 0, 0)] * 2)
    assert plain(outcome) == whole[1]
    assert small.same(states(model), whole[0])


def test_killed_after_any_checkpoint(tmp_path: Path, whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surgery.training.resuming.checkpoint.SHARE", 1e9)
    written: list[str] = []
    write = Checkpoint.write

    def keeping(self: Checkpoint, state: Any, where: str, untaken: Any = ()) -> None:
        write(self, state, where, untaken)
        shutil.copy(self.path, tmp_path / str(len(written)))
        written.append(where)

    monkeypatch.setattr(Checkpoint, "write", keeping)
    model, outcome = trained(tmp_path)
    assert plain(outcome) == whole[1]
    # Each step, each end of an epoch that goes on, each end of a stage.
    assert len(written) == 6 * 8 + 8 + 3
    monkeypatch.setattr(Checkpoint, "write", lambda *_: None)
    for number in (9, 31):
        shutil.copy(tmp_path / str(number), tmp_path / "checkpoint")
        model, outcome = trained(tmp_path, resume=True)
        assert plain(outcome) == whole[1]
        assert small.same(states(model), whole[0])


def both(folder: Path, moments: list[At], **changes: Any) -> None:
    """The same training in one go, and interrupted."""
    model, outcome = trained(folder / "whole", **changes)
    resumed, again = chained(folder / "resumed", moments, **changes)
    assert plain(again) == plain(outcome)
    assert small.same(states(resumed), states(model))


def test_with_a_frozen_prefix_and_with_augmentation(tmp_path: Path) -> None:
    work = StageWork(
        small.stage(epochs=3, callbacks=({"EarlyStopping": {"restore_best_weights": True}},)), HEAD, prefix=CUT
    )
    budget = Budget(10**9, 10**9, tmp_path / "cache")
    both(tmp_path, [At("head", 2, 2)], stages=[work], data=images(), budget=budget, make=images_model)
    noise = Augmentation([LayerObject.parse({"GaussianNoise": {"stddev": 0.5}})], 3)
    stages = [StageWork(small.stage(epochs=2), ALL)]
    both(tmp_path / "noise", [At("head", 1, 3)], stages=stages, augmentation=noise)


def half() -> keras.Model:
    """The model with layers that compute in float16, as a stage in that precision sets them."""
    model = small.model()
    for name in ("hidden", "norm"):
        model.get_layer(name).dtype_policy = "mixed_float16"
    return model


@halves
@pytest.mark.parametrize("factor", [{}, {"gradient_accumulation_steps": 3, "use_ema": True, "ema_momentum": 0.5}])
def test_in_mixed_float16_with_its_scale_of_the_loss(tmp_path: Path, factor: dict[str, Any]) -> None:
    scaling = {
        "LossScaleOptimizer": {"inner_optimizer": {"SGD": {"learning_rate": 0.1, **factor}}, "initial_scale": 2e9}
    }
    changes = {"precision": "mixed_float16", "make": half}
    for name, optimizer in (("own", scaling), ("ours", {"SGD": {"learning_rate": 0.1, **factor}})):
        works = [StageWork(small.stage(epochs=3, optimizer=optimizer), ALL)]
        both(tmp_path / name, [At("head", 1, 2), At("head", 2, 3)], stages=works, **changes)


def test_what_did_not_move_is_counted_from_the_beginning_of_the_stage(tmp_path: Path) -> None:
    # Rates so low that the moves of a part of the stage are lost in rounding would be another matter; here nothing moves at all.
    still = [StageWork(small.stage(epochs=3, optimizer={"SGD": {"learning_rate": 0.0}}), ALL)]
    both(tmp_path / "still", [At("head", 2, 2)], stages=still)
    # All steps are done when it is interrupted, and moved what they moved before.
    moving = [StageWork(small.stage(epochs=1), ALL)]
    _, outcome = chained(tmp_path / "moving", [At("head", 1, 6)], stages=moving)
    assert outcome.history.stages[0].unmoved is None


def test_a_log_goes_on_in_its_file(tmp_path: Path) -> None:
    logging = small.stage(epochs=3, callbacks=({"CSVLogger": {"filename": "log.csv"}},))
    both(tmp_path, [At("head", 2, 3)], stages=[StageWork(logging, ALL)])
    found = [(tmp_path / name / "log.csv").read_text() for name in ("whole", "resumed")]
    assert found[0] == found[1]
    assert len(found[0].splitlines()) == 4


def test_a_stream_goes_on_at_the_end_of_its_last_epoch(tmp_path: Path) -> None:
    data = small.examples()
    stream = Stream(Batches(data, 16))
    stages = [StageWork(small.stage(epochs=3), ALL)]
    both(tmp_path, [At("head", 2, 3)], stages=stages, data=stream, validation=data)
    # What it had done of the second epoch it has done again.
    kept = read_checkpoint(tmp_path / "resumed/checkpoint")[1]
    assert [epoch.epoch for epoch in kept.stages[0].epochs] == [1, 2, 3]


class Counting(keras.callbacks.Callback):
    """Knows more than a checkpoint can hold."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen = {1, 2}


class Late(keras.callbacks.Callback):
    """Sets a name when it has something to keep."""

    default = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.best_epoch = epoch
        self.default = epoch

    @property
    def worth(self) -> int:
        return 1


def test_a_callback_gets_what_it_keeps_itself() -> None:
    callback = Late()
    callback.set_model(small.model())
    Callbacks([callback]).restore([{"attributes": {"best_epoch": 3, "default": 3}}])
    assert (callback.best_epoch, callback.default) == (3, 3)


@pytest.mark.parametrize(
    "name",
    ["evil", "on_epoch_end", "set_model", "__class__", "__dict__", "model", "_model", "params", "worth", "__x"],
)
def test_a_callback_gets_nothing_else(name: str) -> None:
    callback, before = Late(), vars(Late())
    callback.set_model(small.model())
    with pytest.raises(CheckpointInvalid, match=f"the checkpoint has '{name}' for Late"):
        Callbacks([callback]).restore([{"attributes": {"best_epoch": 3, name: 1}}])
    assert set(vars(callback)) == set(before)


def test_a_callback_whose_state_cannot_be_kept_is_named() -> None:
    callback = Counting()
    callback.set_model(small.model())
    callback.on_train_begin()
    assert untaken(Callbacks([callback]).states()) == ["Counting keeps 'seen': a set cannot be kept"]
