"""A stage without its frozen prefix gives what the whole model gives, as near as its record says, and only once."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.model.fingerprint import variable_digest
from surgery.model.spec import TensorRef
from surgery.planning.prefix import WHOLE, Prefix
from surgery.training.data.examples import ArrayExamples
from surgery.training.frozen_prefix.features import Budget
from surgery.training.frozen_prefix.halves import halves
from surgery.training.setting import StageWork
from surgery.training.stages import Outcome, train
from tests.training import small

pytestmark = pytest.mark.keras

CUT = Prefix((TensorRef("pool"), TensorRef("conv")), ("conv", "norm", "pool"), ("'drop' is random",), "digest")
HEAD = {"conv": False, "norm": False, "pool": True, "drop": True, "skip": True, "sum": True, "head": True}


def model() -> keras.Model:
    """A small convolution net with a connection past its pooling."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((8, 8, 1), name="image")
    conv = layers.Conv2D(6, 3, activation="relu", name="conv")(image)
    pool = layers.GlobalAveragePooling2D(name="pool")(layers.BatchNormalization(name="norm")(conv))
    drop = layers.Dropout(0.5, name="drop")(pool)
    skip = layers.Dense(6, name="skip")(layers.Flatten(name="flatten")(conv))
    return keras.Model(image, layers.Dense(3, activation="softmax", name="head")(layers.Add(name="sum")([drop, skip])))


def images(length: int = 50) -> ArrayExamples:
    generator = np.random.default_rng(5)
    x = generator.normal(size=(length, 8, 8, 1)).astype("float32")
    return ArrayExamples((x,), (generator.integers(0, 3, length),), ("x",))


def trained(folder: Path, prefix: Prefix, data: ArrayExamples, **stage: Any) -> tuple[keras.Model, Outcome]:
    made = model()
    budget = Budget(10**9, 10**9, folder / "cache")
    setting = small.setting(folder, data, budget=budget)
    work = StageWork(small.stage(epochs=3, **stage), HEAD, prefix=prefix)
    return made, train(made, [work], setting)


STOPPING = {"EarlyStopping": {"monitor": "loss", "patience": 0, "mode": "max", "restore_best_weights": True}}


@pytest.mark.parametrize("stage", [{}, {"callbacks": (STOPPING,)}, {"class_weight": "balanced"}])
def test_weights_are_those_of_the_whole_model_as_near_as_the_record_says(tmp_path: Path, stage: dict[str, Any]) -> None:
    whole, plain = trained(tmp_path, WHOLE, images(), **stage)
    short, once = trained(tmp_path, CUT, images(), **stage)
    near = once.history.stages[0].agreement
    assert near is not None
    assert near.difference <= 1e-6
    pairs = zip(*([w for w in small.weights(one) if w.dtype.kind == "f"] for one in (whole, short)), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=0 if near.exact else 1e-4, atol=0 if near.exact else 1e-5)
    assert once.history.stages[0].frozen_prefix is not None
    assert plain.history.stages[0].frozen_prefix is None
    for one, other in zip(plain.history.stages[0].epochs, once.history.stages[0].epochs, strict=True):
        assert one.metrics == pytest.approx(other.metrics, rel=1e-6)


def test_the_whole_model_is_whole_afterwards(tmp_path: Path) -> None:
    made, _ = trained(tmp_path, CUT, images())
    cut = halves(made, CUT)
    x = images().x[0]
    assert np.allclose(made.predict(x, verbose=0), cut.tail.predict(cut.prefix.predict(x, verbose=0), verbose=0))
    made.save(tmp_path / "saved.keras")
    assert small.same(small.weights(made), small.weights(keras.models.load_model(tmp_path / "saved.keras")))


def reused(folder: Path, data: ArrayExamples) -> bool:
    described = trained(folder, CUT, data)[1].history.stages[0].frozen_prefix
    return described is not None and "read from the cache" in described


def test_the_next_run_reads_what_this_one_computed_unless_something_moved(tmp_path: Path) -> None:
    data = images(20)
    assert [reused(tmp_path, data), reused(tmp_path, data)] == [False, True]
    moved = ArrayExamples((data.x[0] + 1,), data.y, data.names)
    assert not reused(tmp_path, moved)


def test_features_of_another_user_are_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seen in (False, True):
        _, outcome = trained(tmp_path, CUT, images())
        assert ("read from the cache" in str(outcome.history.stages[0].frozen_prefix)) is seen
    (kept,) = {file.parent for file in (tmp_path / "cache").rglob("digests.json")}
    document = json.loads((kept / "digests.json").read_text())
    # As somebody without the key would write it: other features with their right digests.
    other = np.zeros_like(np.load(kept / "0.npy"))
    np.save(kept / "0.npy", other)
    (kept / "digests.json").write_text(json.dumps({**document, "arrays": [variable_digest(other)]}))
    _, outcome = trained(tmp_path, CUT, images())
    assert "computed once" in str(outcome.history.stages[0].frozen_prefix)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    _, outcome = trained(tmp_path, CUT, images())
    assert "computed once" in str(outcome.history.stages[0].frozen_prefix)


def test_a_disk_without_room_for_features_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    _, outcome = trained(tmp_path, CUT, images())
    assert outcome.failure is None
    assert "computed once" in str(outcome.history.stages[0].frozen_prefix)
    assert list((tmp_path / "cache").iterdir()) == []


def test_features_that_were_damaged_are_computed_again(tmp_path: Path) -> None:
    data = images(20)
    reused(tmp_path, data)
    for file in (tmp_path / "cache").glob("*/0.npy"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    assert [reused(tmp_path, data), reused(tmp_path, data)] == [False, True]


@pytest.mark.parametrize(("memory", "disk", "cut"), [(0, 0, False), (10**9, 0, True), (0, 10**9, True)])
def test_features_keep_to_their_budget(tmp_path: Path, memory: int, disk: int, cut: bool) -> None:
    made = model()
    setting = small.setting(tmp_path, images(20), budget=Budget(memory, disk, tmp_path / "cache"))
    outcome = train(made, [StageWork(small.stage(), HEAD, prefix=CUT)], setting)
    assert (outcome.history.stages[0].frozen_prefix is not None) == cut
    assert (tmp_path / "cache").exists() == (disk > 0)


def test_the_oldest_features_go_when_there_is_no_room(tmp_path: Path) -> None:
    for shift in range(3):
        data = images(20)
        data = ArrayExamples((data.x[0] + shift,), data.y, data.names)
        setting = small.setting(tmp_path, data, validation=None, budget=Budget(10**9, 40_000, tmp_path / "cache"))
        train(model(), [StageWork(small.stage(epochs=1), HEAD, prefix=CUT)], setting)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_sequential_is_cut_too() -> None:
    made = small.model()
    cut = halves(made, Prefix((TensorRef("norm"),), ("hidden", "norm"), ("",)))
    x = small.examples(8).x[0]
    assert np.allclose(made.predict(x, verbose=0), cut.tail.predict(cut.prefix.predict(x, verbose=0), verbose=0))


def test_an_input_may_go_past_the_frozen_layers() -> None:
    layers = keras.layers
    image = keras.Input((4,), name="image")
    frozen = layers.Dense(4, name="frozen")(image)
    made = keras.Model(image, layers.Dense(2, name="head")(layers.Add(name="sum")([image, frozen])))
    cut = halves(made, Prefix((TensorRef("image"), TensorRef("frozen")), ("frozen",), ("",)))
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    assert np.allclose(made.predict(x, verbose=0), cut.tail.predict(cut.prefix.predict(x, verbose=0), verbose=0))
