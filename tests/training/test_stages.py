from __future__ import annotations

import io
from pathlib import Path

import keras
import numpy as np
import pytest

from surgery.training.compiling import check_objects
from surgery.training.data.order import permutation
from surgery.training.devices import precision
from surgery.training.progress import Lines
from surgery.training.setting import StageWork
from surgery.training.stages import train
from tests.halves import halves
from tests.training import small

pytestmark = pytest.mark.keras

FROZEN = {"hidden": False, "norm": False, "drop": True, "head": True}
ALL = dict.fromkeys(FROZEN, True)


def test_each_stage_trains_its_layers_and_no_others(tmp_path: Path) -> None:
    model = small.model()
    before = small.weights(model)
    outcome = train(model, [StageWork(small.stage(), FROZEN)], small.setting(tmp_path))
    after = small.weights(model)
    assert outcome.failure is None
    assert [a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True)] == [True] * 6 + [False] * 2


def test_a_frozen_batch_normalization_learns_again_in_the_next_stage(tmp_path: Path) -> None:
    model = small.model()
    stages = [StageWork(small.stage(), FROZEN), StageWork(small.stage("all"), ALL, 1)]
    outcome = train(model, stages, small.setting(tmp_path))
    head, whole = outcome.history.stages
    assert head.trainable_parameters == 16 * 3 + 3
    assert whole.trainable_parameters == 8 * 16 + 16 + 2 * 16 + head.trainable_parameters
    assert not np.allclose(keras.ops.convert_to_numpy(model.get_layer("norm").moving_mean), 0)


def test_the_history_has_every_epoch_with_its_metrics(tmp_path: Path) -> None:
    outcome = train(small.model(), [StageWork(small.stage(epochs=3), ALL)], small.setting(tmp_path))
    (record,) = outcome.history.stages
    assert [epoch.epoch for epoch in record.epochs] == [1, 2, 3]
    assert set(record.epochs[0].metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert record.epochs[0].learning_rate == pytest.approx(0.01)
    assert record.epochs[-1].metrics["loss"] < record.epochs[0].metrics["loss"]


def test_two_trainings_from_the_same_weights_are_bit_identical(tmp_path: Path) -> None:
    results = []
    for _ in range(2):
        keras.backend.clear_session()
        model = small.model()
        np.random.seed(None)
        train(model, [StageWork(small.stage(), ALL)], small.setting(tmp_path))
        results.append(small.weights(model))
    assert small.same(*results)


def test_a_stage_does_not_depend_on_the_random_state_that_others_left(tmp_path: Path) -> None:
    model = small.model()
    start = small.weights(model)
    train(model, [StageWork(small.stage(), ALL)], small.setting(tmp_path))
    alone = small.weights(model)
    train(model, [StageWork(small.stage("other"), ALL)], small.setting(tmp_path))
    model.set_weights(start)
    train(model, [StageWork(small.stage(), ALL)], small.setting(tmp_path))
    assert small.same(alone, small.weights(model))


def test_early_stopping_restores_the_best_and_shows_in_the_history(tmp_path: Path) -> None:
    callback = {"EarlyStopping": {"monitor": "val_loss", "patience": 1, "mode": "max", "restore_best_weights": True}}
    outcome = train(
        small.model(), [StageWork(small.stage(epochs=9, callbacks=(callback,)), ALL)], small.setting(tmp_path)
    )
    (record,) = outcome.history.stages
    assert record.ended_early
    assert record.asked == 9


def test_a_schedule_and_a_logger_inside_the_folder_of_the_run(tmp_path: Path) -> None:
    rate = {"CosineDecay": {"initial_learning_rate": 0.01, "decay_steps": 12}}
    stage = small.stage(
        optimizer={"SGD": {"learning_rate": rate}}, callbacks=({"CSVLogger": {"filename": "logs/epochs.csv"}},)
    )
    outcome = train(small.model(), [StageWork(stage, ALL)], small.setting(tmp_path))
    assert outcome.history.stages[0].epochs[-1].learning_rate == pytest.approx(0.0, abs=1e-6)
    assert (tmp_path / "logs/epochs.csv").read_text().startswith("epoch,accuracy")


@halves
def test_a_mixed_precision_leaves_the_policies_as_they_were(tmp_path: Path) -> None:
    model = small.model()
    with precision(model, "mixed_bfloat16"):
        assert model.get_layer("hidden").compute_dtype == "bfloat16"
        assert model.get_layer("head").compute_dtype == "float32"
        outcome = train(model, [StageWork(small.stage(), ALL)], small.setting(tmp_path))
    assert outcome.failure is None
    assert model.get_layer("hidden").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_plain_lines_say_stage_epoch_and_metrics(tmp_path: Path) -> None:
    stream = io.StringIO()
    train(small.model(), [StageWork(small.stage(), ALL)], small.setting(tmp_path, progress=Lines(stream)))
    first, second = stream.getvalue().splitlines()
    assert first.startswith("head: epoch 1/2  ")
    assert "val_accuracy 0." in second


def test_what_cannot_be_made_is_known_before_the_first_stage() -> None:
    stage = small.stage(optimizer={"SGD": {"momentum": 3.0}}, callbacks=({"ModelCheckpoint": {"filepath": "x.txt"}},))
    errors = check_objects(StageWork(stage, ALL, 2), ())
    assert [(error.code(), error.field) for error in errors] == [
        ("invalid-value", ("training", "stages", 2, "optimizer")),
        ("invalid-value", ("training", "stages", 2, "callbacks", 0)),
    ]


def test_fit_draws_the_batches_in_our_order(tmp_path: Path) -> None:
    data, drawn = small.examples(48), []

    class Watched(type(data)):  # type: ignore[misc]
        def take(self, indices: np.ndarray) -> tuple[np.ndarray, ...]:
            drawn.append(indices.tolist())
            return super().take(indices)

    watched = Watched(data.x, data.y, data.names)
    train(small.model(), [StageWork(small.stage(), ALL)], small.setting(tmp_path, watched, validation=None))
    orders = [permutation(3, "head", epoch, 48).reshape(3, 16).tolist() for epoch in (0, 1)]
    assert drawn[-6:] == [*orders[0], *orders[1]]
