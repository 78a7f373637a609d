from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import pytest

from surgery.planning.rates import Rate
from surgery.training.rates import Pace, paced
from surgery.training.setting import StageWork
from surgery.training.stages import train
from tests.conftest import REPOSITORY
from tests.training import small
from tests.training.one_step import DECAY, NAMES, differences

pytestmark = pytest.mark.keras

ALL = {"hidden": True, "norm": True, "drop": True, "head": True}


@pytest.mark.parametrize("warmup", [0, 4])
@pytest.mark.parametrize("decay", [0.0, DECAY])
@pytest.mark.parametrize("name", NAMES)
def test_one_step_is_the_update_by_hand(name: str, warmup: int, decay: float) -> None:
    assert max(differences(name, warmup=warmup, decay=decay).values()) < 1e-6


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_one_step_is_the_update_by_hand_on_other_backends(backend: str) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    subprocess.run(
        [sys.executable, "-m", "tests.training.one_step"],
        cwd=REPOSITORY,
        env=os.environ | {"KERAS_BACKEND": backend},
        check=True,
        timeout=300,
    )


def test_an_optimizer_without_anything_special_is_left_alone() -> None:
    optimizer = keras.optimizers.Adam(0.01)
    assert paced(optimizer, small.model(), Pace()) is optimizer


def test_schedule_accumulation_clipping_and_averages_go_with_it() -> None:
    rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
    optimizer = keras.optimizers.SGD(
        rate, momentum=0.9, clipnorm=1.0, use_ema=True, gradient_accumulation_steps=2, weight_decay=0.1
    )
    changed = paced(optimizer, small.model(), Pace({"head": Rate(0.5)}))
    assert changed.get_config() == optimizer.get_config()
    assert changed is not optimizer


def test_what_a_wrapper_owns_goes_with_the_wrapper() -> None:
    inner = keras.layers.Dense(2, name="inner")
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.TimeDistributed(inner, name="outer")])
    assert set(Pace({"outer": Rate(0.5)}).of(model)) == {id(inner.kernel), id(inner.bias)}


def test_a_stage_trains_at_its_rates(tmp_path: Path) -> None:
    """In a step of SGD a layer of a tenth of the rate goes a tenth of the way."""
    moved = []
    for rates in ({}, {"head": Rate(0.1)}):
        model = small.model()
        before = small.weights(model)
        stage = small.stage(epochs=1, optimizer={"SGD": {"learning_rate": 0.1}})
        train(model, [StageWork(stage, ALL, rates=rates)], small.setting(tmp_path, small.examples(16)))
        moved.append([a - b for a, b in zip(before, small.weights(model), strict=True)])
    plain, slow = moved
    assert slow[0] == pytest.approx(plain[0], abs=1e-7)
    assert slow[-2] == pytest.approx(plain[-2] / 10, abs=1e-7)
    assert abs(plain[-2]).max() > 1e-3


def test_a_warm_up_in_epochs_counts_their_steps(tmp_path: Path) -> None:
    model = small.model()
    stage = small.stage(epochs=1, warmup={"epochs": 2}, optimizer={"SGD": {"learning_rate": 0.1}})
    outcome = train(model, [StageWork(stage, ALL)], small.setting(tmp_path))
    assert outcome.failure is None
    assert type(model.optimizer).__name__ == "SGD"
    assert type(model.optimizer) is not keras.optimizers.SGD
