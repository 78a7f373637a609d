"""Features are compared with the whole network before a stage uses them: equal, near enough, or the whole network trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.model.spec import TensorRef
from surgery.planning.prefix import WHOLE, Prefix
from surgery.reporting.run_words import computed_once
from surgery.training.data.examples import ArrayExamples
from surgery.training.frozen_prefix.agreement import difference
from surgery.training.frozen_prefix.features import Budget
from surgery.training.history import History, StageRecord
from surgery.training.progress import Quiet
from surgery.training.setting import StageWork
from surgery.training.stages import train
from tests.training import small

pytestmark = pytest.mark.keras

CUT = Prefix((TensorRef("other"),), ("frozen", "other"), ("'head' trains",), "digest")


@keras.saving.register_keras_serializable("tests")
class ByBatch(keras.layers.Layer):
    """Gives an example other numbers in a batch of another size, or at another place of it, as kernels of a CPU may."""

    def __init__(self, by_size: float = 0.0, by_place: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.by_size, self.by_place = by_size, by_place

    def call(self, x: Any) -> Any:
        size = keras.ops.shape(x)[0]
        place = keras.ops.cast(keras.ops.reshape(keras.ops.arange(size), (-1, 1)), "float32")
        return x + self.by_size * keras.ops.cast(size, "float32") + self.by_place * place


def model(**how: float) -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8,), name="features"),
            layers.Dense(8, name="frozen"),
            ByBatch(name="other", **how),
            # Zero at first, as the heads of many recipes are: the outputs alone would show no difference.
            layers.Dense(3, activation="softmax", kernel_initializer="zeros", name="head"),
        ]
    )


class Said(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def trained(
    folder: Path, prefix: Prefix, data: ArrayExamples, how: dict[str, float], **changes: Any
) -> tuple[list[np.ndarray[Any, Any]], StageRecord, list[str]]:
    made, said = model(**how), Said()
    budget = Budget(10**9, 0, folder)
    changes = {"validation": None, "budget": budget, "progress": said, **changes}
    work = StageWork(small.stage(), {"frozen": False, "other": False, "head": True}, prefix=prefix)
    outcome = train(made, [work], small.setting(folder, data, **changes))
    assert outcome.failure is None
    return small.weights(made), outcome.history.stages[0], said.lines


@pytest.mark.parametrize("length", [96, 72, 8])
def test_features_that_are_equal_are_used_and_called_equal(tmp_path: Path, length: int) -> None:
    _, record, said = trained(tmp_path, CUT, small.examples(length), {})
    assert record.agreement is not None
    if record.agreement.exact:  # which a CPU may not keep to
        assert record.agreement.difference == 0
        assert said == []
    assert record.agreement.difference <= 1e-6
    assert record.frozen_prefix is not None


@pytest.mark.parametrize(
    ("how", "length"), [({"by_size": 1e-7}, 72), ({"by_place": 1e-7}, 96), ({"by_place": 1e-7}, 8)]
)
def test_features_that_are_near_are_used_and_not_called_equal(
    tmp_path: Path, how: dict[str, float], length: int
) -> None:
    _, record, said = trained(tmp_path, CUT, small.examples(length), how)
    assert record.frozen_prefix is not None
    assert record.agreement is not None
    assert not record.agreement.exact
    assert 0 < record.agreement.difference <= record.agreement.tolerance == 1e-5
    assert said == []
    (told,) = History((record,)).to_json()
    assert f"within {record.agreement.difference:.0e} of the largest value (1e-05 is allowed) of what" in computed_once(
        told
    )


@pytest.mark.parametrize("how", [{"by_size": 1e-3}, {"by_place": 1e-3}])
def test_beyond_the_tolerance_the_whole_network_trains_and_that_is_said(tmp_path: Path, how: dict[str, float]) -> None:
    weights, record, (line,) = trained(tmp_path, CUT, small.examples(72), how)
    whole, _, _ = trained(tmp_path, WHOLE, small.examples(72), how)
    assert small.same(weights, whole)
    assert record.frozen_prefix is None
    assert record.whole_because is not None
    assert line == f"stage 'head' trains the whole network: {record.whole_because}"
    assert line.endswith("of the largest value, and 1e-05 is allowed")


def test_validation_is_compared_too(tmp_path: Path) -> None:
    # All batches of the training have one size, and are drawn as they are stored; the last one of the validation is smaller.
    data = {"validation": small.examples(40), "shuffle": False}
    _, record, _ = trained(tmp_path, CUT, small.examples(96), {"by_size": 1e-3}, **data)
    assert record.agreement is not None
    assert record.agreement.exact  # drawn as they were computed, they are the same
    assert record.agreement.examples == 32 + 24


def test_a_budget_without_room_is_said(tmp_path: Path) -> None:
    _, record, (line,) = trained(tmp_path, CUT, small.examples(96), {}, budget=Budget(0, 0, tmp_path))
    assert record.agreement is None
    assert line == f"stage 'head' trains the whole network: {record.whole_because}"
    assert "no room" in line


def test_numbers_that_are_none_are_near_to_nothing_else() -> None:
    one = np.array([0.0, 2.0, np.nan, np.inf], "float32")
    assert difference(one, one) == 0
    assert difference(one, one + np.array([0, 1e-3, 0, 0], "float32")) == pytest.approx(5e-4, rel=1e-2)
    for other in ([0.0, 2.0, np.inf, np.inf], [0.0, 2.0, np.nan, -np.inf], [np.nan, 2.0, np.nan, np.inf]):
        assert difference(one, np.array(other, "float32")) == float("inf")
