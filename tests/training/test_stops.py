from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.training import stops
from surgery.training.data.examples import ArrayExamples
from surgery.training.setting import StageWork
from surgery.training.stages import train
from tests.training import small

pytestmark = pytest.mark.keras

ALL = dict.fromkeys(("hidden", "norm", "drop", "head"), True)


def test_a_loss_that_is_no_number_stops_at_its_step_and_gives_the_weights_back(tmp_path: Path) -> None:
    model = small.model()
    before = small.weights(model)
    stage = small.stage(optimizer={"SGD": {"learning_rate": 1e38}})
    outcome = train(model, [StageWork(stage, ALL)], small.setting(tmp_path))
    assert outcome.failure is not None
    assert outcome.failure.what == "stage 'head', epoch 1: the loss is not a number any more at step 2"
    assert outcome.failure.exit_status == 5
    assert small.same(before, small.weights(model))


def test_the_last_good_epoch_is_what_stays(tmp_path: Path) -> None:
    data = small.examples(32)
    broken = data.x[0].copy()
    seen = 0

    def prepare(batch: np.ndarray) -> np.ndarray:
        nonlocal seen
        seen += 1
        return batch * np.float32("nan") if seen > DRAWN_IN_TWO_EPOCHS else batch

    model = small.model()
    moving = ArrayExamples((broken,), data.y, data.names, prepare)
    stage = small.stage(
        epochs=4, callbacks=({"ModelCheckpoint": {"filepath": "epoch-{epoch}.weights.h5", "save_weights_only": True}},)
    )
    outcome = train(model, [StageWork(stage, ALL)], small.setting(tmp_path, moving, validation=None))
    assert outcome.failure is not None
    assert "epoch 3" in outcome.failure.what
    assert "the weights after epoch 2 are kept" in str(outcome.failure.expected)
    assert [len(record.epochs) for record in outcome.history.stages] == [2]
    kept = small.weights(model)
    model.load_weights(tmp_path / "epoch-2.weights.h5")
    assert small.same(kept, small.weights(model))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-1.weights.h5", "epoch-2.weights.h5"]


DRAWN_IN_TWO_EPOCHS = 2 + 2 * 2
"""Keras draws two batches beforehand to learn their shapes."""


def test_memory_that_runs_out_names_a_smaller_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small.model()
    data = small.examples(32)

    def prepare(batch: np.ndarray) -> np.ndarray:
        raise MemoryError

    greedy = ArrayExamples(data.x, data.y, data.names, prepare)
    outcome = train(model, [StageWork(small.stage(), ALL)], small.setting(tmp_path, greedy, validation=None))
    assert outcome.failure is not None
    assert outcome.failure.fix == "batch_size: 8"
    assert "memory ran out with 16 examples in a batch" in outcome.failure.what


def test_what_keras_refuses_in_the_middle_is_no_crash(tmp_path: Path) -> None:
    data = small.examples(32)
    wrong = ArrayExamples(data.x, (np.zeros((32, 7), "float32"),), data.names)
    stage = small.stage(loss="categorical_crossentropy", metrics=())
    outcome = train(small.model(), [StageWork(stage, ALL)], small.setting(tmp_path, wrong, validation=None))
    assert outcome.failure is not None
    assert outcome.failure.what.startswith("stage 'head', epoch 1, step 1: Keras stopped: ")


def test_a_mistake_of_ours_is_not_dressed_up() -> None:
    assert stops.known_failure(KeyError("x"), "head", (1, 1), 8) is None


def test_an_interrupt_passes(tmp_path: Path) -> None:
    data = small.examples(32)

    def prepare(batch: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            small.model(),
            [StageWork(small.stage(), ALL)],
            small.setting(tmp_path, ArrayExamples(data.x, data.y, data.names, prepare), validation=None),
        )


def test_a_snapshot_knows_weights_that_are_no_numbers() -> None:
    model = small.model()
    bias, good = model.get_layer("head").bias, stops.Snapshot(model)
    assert good.is_still_finite
    bias.assign(np.ones(3))
    good.take()
    bias.assign(np.full(3, np.nan, "float32"))
    assert not good.is_still_finite
    good.restore()
    np.testing.assert_array_equal(bias, np.ones(3))


def test_what_was_half_taken_is_not_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small.model()
    good = stops.Snapshot(model)
    head = model.get_layer("head")
    head.kernel.assign(np.full((16, 3), 2.0))
    head.bias.assign(np.full(3, 2.0))
    full = keras.ops.convert_to_numpy

    def runs_out(variable: Any) -> Any:
        if variable is head.bias:
            raise MemoryError
        return full(variable)

    monkeypatch.setattr(keras.ops, "convert_to_numpy", runs_out)
    with pytest.raises(MemoryError):
        good.take()
    monkeypatch.undo()
    good.restore()
    np.testing.assert_array_equal(head.kernel, np.full((16, 3), 2.0))
    np.testing.assert_array_equal(head.bias, np.full(3, 2.0))
