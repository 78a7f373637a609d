from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgery.errors import DataInvalid, InvalidValue
from surgery.recipe.evaluation import Evaluation
from surgery.training.evaluation import (
    Comparison,
    Measurement,
    Setup,
    compare,
    gate_failures,
    measure,
    misfits,
    unguarded,
)
from tests.training import small

pytestmark = pytest.mark.keras

PLACE = ("evaluation", 0)


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    data = small.examples(40, units=5)
    np.savez(tmp_path / "data.npz", x=data.x[0], y=data.y[0])
    return Setup(tmp_path, stage=small.stage())


def evaluation(**changes: Any) -> Evaluation:
    parts = {"name": "old task", "data": {"npz": "data.npz", "x": "x", "y": "y"}, "max_drop": {"accuracy": 0.02}}
    return Evaluation.model_validate(parts | changes)


def test_a_smaller_source_model_is_measured_on_labels_that_it_does_not_know(setup: Setup) -> None:
    measured = measure(small.model(units=3), evaluation(), setup, PLACE)
    assert measured.failure is None
    assert set(measured.values) == {"accuracy"}
    assert 0 <= measured.values["accuracy"] <= 1


def test_metrics_and_their_direction(setup: Setup) -> None:
    asked = evaluation(
        metrics=("accuracy", {"SparseTopKCategoricalAccuracy": {"k": 2, "name": "top_2"}}), max_drop={"loss": 1.0}
    )
    measured = measure(small.model(units=5), asked, setup, PLACE)
    assert measured.higher_is_better == {"accuracy": True, "top_2": True, "loss": False}
    assert measured.values["loss"] > 0


def test_what_cannot_be_measured_says_why(setup: Setup) -> None:
    narrow = small.model(features=4)
    measured = measure(narrow, evaluation(), setup, PLACE)
    assert "has the shape (8,)" in str(measured.failure)
    assert misfits(narrow, evaluation(), setup, PLACE)[0].field == ("evaluation", 0, "data")
    (error,) = unguarded(evaluation(), measured, PLACE)
    assert error.field == ("evaluation", 0, "max_drop")
    assert unguarded(evaluation(max_drop={}), measured, PLACE) == []
    with pytest.raises(DataInvalid):
        compare(evaluation(), Measurement(), measured, PLACE)


def test_a_gate_on_what_is_not_measured(setup: Setup) -> None:
    asked = evaluation(metrics=({"SparseCategoricalAccuracy": {"name": "share"}},), max_drop={"shore": 0.1})
    with pytest.raises(InvalidValue, match="max_drop names 'shore', which is not measured") as caught:
        measure(small.model(units=5), asked, setup, PLACE)
    assert caught.value.fix == "did you mean 'share'?"


def test_validation_stands_for_the_validation_examples(setup: Setup) -> None:
    with pytest.raises(InvalidValue, match="no validation examples"):
        measure(small.model(), evaluation(data="validation"), setup, PLACE)
    with_validation = Setup(setup.folder, validation=small.examples())
    assert measure(small.model(), evaluation(data="validation"), with_validation, PLACE).failure is None


def comparison(before: float | None, after: float, *, higher: bool = True, allowed: float | None = 0.02) -> Comparison:
    return Comparison("old task", "accuracy", before, after, higher, allowed, (*PLACE, "max_drop", "accuracy"))


@pytest.mark.parametrize(
    ("one", "failed"),
    [
        (comparison(0.98, 0.97), False),
        (comparison(np.float32(0.98).item(), np.float32(0.96).item()), False),
        (comparison(0.98, 0.95), True),
        (comparison(0.5, 0.9), False),
        (comparison(0.5, 0.9, higher=False), True),
        (comparison(0.9, 0.5, higher=False), False),
        (comparison(0.9, float("nan")), True),
        (comparison(None, 0.9), True),
        (comparison(0.9, 0.1, allowed=None), False),
    ],
)
def test_a_gate(one: Comparison, failed: bool) -> None:
    assert one.failed is failed
    assert len(gate_failures([one])) == failed


def test_a_failed_gate_names_before_after_drop_and_what_is_allowed() -> None:
    (error,) = gate_failures([comparison(0.98, 0.9)])
    assert error.what == "old task: accuracy went from 0.9800 to 0.9000, worse by 0.0800; 0.0200 is allowed"
    assert (error.exit_status, error.field) == (4, ("evaluation", 0, "max_drop", "accuracy"))
