"""A stage says which of the variables that it trains it left exactly as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

from surgery.planning.rates import Rate
from surgery.reporting.run_words import unmoved_note
from surgery.training.history import History, StageRecord
from surgery.training.progress import Quiet
from surgery.training.setting import StageWork
from surgery.training.stages import train
from tests.training import small
from tests.training.test_stages import ALL, FROZEN

pytestmark = pytest.mark.keras


class Said(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def trained(
    folder: Path, flags: dict[str, bool] = ALL, model: keras.Model | None = None, rates: Any = (), **stage: Any
) -> tuple[StageRecord, list[str]]:
    said = Said()
    work = StageWork(small.stage(**stage), flags, rates=dict(rates))
    outcome = train(model or small.model(), [work], small.setting(folder, progress=said, validation=None))
    assert outcome.failure is None
    return outcome.history.stages[0], said.lines


def note(record: StageRecord) -> str:
    return unmoved_note(History((record,)).to_json()[0])


def test_where_everything_moves_nothing_is_said(tmp_path: Path) -> None:
    for changes in ({}, {"flags": FROZEN}, {"warmup": {"steps": 100}}, {"class_weight": "balanced"}):
        record, said = trained(tmp_path, **changes)
        assert (record.unmoved, said, note(record)) == (None, [], "")


@pytest.mark.parametrize(
    "optimizer", [{"SGD": {"learning_rate": 0.0}}, {"Adam": {"learning_rate": 0.1, "gradient_accumulation_steps": 99}}]
)
def test_a_stage_that_moves_nothing_is_loud(tmp_path: Path, optimizer: Any) -> None:
    record, said = trained(tmp_path, FROZEN, optimizer=optimizer)
    assert record.unmoved is not None
    assert record.unmoved.is_all
    assert said == ["stage 'head' changed none of the 2 variables that it trains"]
    assert note(record).startswith(
        "WARNING: none of the 2 variables that it trains changed: head (kernel, bias). Is the "
    )


def test_a_dead_layer_is_named(tmp_path: Path) -> None:
    model = small.model()
    hidden = model.get_layer("hidden")
    hidden.bias.assign(hidden.bias - 100)
    model.get_layer("norm").trainable = False
    record, said = trained(tmp_path, {**ALL, "norm": False}, model)
    assert record.unmoved is not None
    assert not record.unmoved.is_all
    # What comes out of the activation is 0 always, so that the head has nothing to multiply with either.
    assert note(record) == "3 of the 4 variables that it trains did not change: hidden (kernel, bias), head (kernel)"
    assert said == []


def test_a_rate_of_zero_is_no_surprise(tmp_path: Path) -> None:
    record, _ = trained(tmp_path, rates={"hidden": Rate(0.0)})
    assert record.unmoved is None


def test_statistics_alone_are_no_variables_that_train(tmp_path: Path) -> None:
    record, _ = trained(tmp_path, {"hidden": False, "norm": True, "drop": True, "head": False})
    assert record.unmoved is None
