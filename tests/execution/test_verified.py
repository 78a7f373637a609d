"""What is written is read back: kept values against the source, new and trained ones against what was to be written; all finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import surgery
from surgery.api import apply_to_file
from surgery.errors import PromiseBroken, RunFailed
from surgery.execution.commit import write_result
from surgery.execution.fill import LedgerValues
from surgery.model.archive import Values
from surgery.model.blocks import is_finite
from tests.networks import classifier, write_network
from tests.recipes_text import write_recipe

pytestmark = pytest.mark.keras

NEW = "operations:\n  - {op: append, layers: [{Dense: {name: new, units: 3%s}}]}\n"


class Spoiled:
    """Values of which one is not what it should be, the first time or each time that it is asked for."""

    def __init__(self, values: Values, value: float, always: bool) -> None:
        self._values, self._value, self._always, self._asked = values, value, always, 0

    def __getitem__(self, name: tuple[str, str]) -> np.ndarray[Any, Any]:
        found = self._values[name]
        if name != ("new", "vars/0"):
            return found
        self._asked += 1
        spoiled = found.copy()
        spoiled.flat[0] = self._value
        return spoiled if self._always or self._asked == 1 else found


def planned(folder: Path, more: str = "") -> surgery.Plan:
    write_network(folder / "model.keras", classifier())
    return surgery.plan(surgery.load_recipe(write_recipe(folder, NEW % more)))


@pytest.mark.parametrize("trained", [(), ("new",)])
@pytest.mark.parametrize(
    ("value", "always", "error"),
    [(7.0, False, PromiseBroken), (float("nan"), True, None), (float("inf"), True, None)],
)
def test_new_values_are_read_back(
    value: float, always: bool, error: Any, trained: tuple[str, ...], tmp_path: Path
) -> None:
    plan = planned(tmp_path)
    with plan.library() as library:
        values = Spoiled(LedgerValues(plan.spec, library, 0), value, always)
        with pytest.raises(error or (RunFailed if trained else PromiseBroken)) as caught:
            write_result(plan, plan.spec, values, tmp_path / "out.keras", trained)
    assert "'new'" in caught.value.what
    assert caught.value.fix or error
    assert not (tmp_path / "out.keras").exists()


def test_an_initializer_that_gives_infinity_is_an_error(tmp_path: Path) -> None:
    plan = planned(tmp_path, ", kernel_initializer: {RandomNormal: {stddev: 1.0e+39}}")
    with pytest.raises(PromiseBroken, match="NaN or infinite"):
        apply_to_file(plan, tmp_path / "out.keras")


def test_what_is_kept_may_be_what_it_was(tmp_path: Path) -> None:
    """A mask of minus infinities in the source is the source's."""
    import keras

    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(2, name="d")(x))
    model.get_layer("d").bias.assign([float("-inf"), 0.0])
    model.save(tmp_path / "model.keras")
    plan = surgery.plan(surgery.load_recipe(write_recipe(tmp_path, "operations:\n  - {op: freeze, layers: d}\n")))
    apply_to_file(plan, tmp_path / "out.keras")
    assert np.isinf(keras.models.load_model(tmp_path / "out.keras").get_weights()[1][0])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_finite(dtype: str) -> None:
    import ml_dtypes

    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    values = np.zeros((300, 7), kind)
    assert is_finite(values)
    for odd in (np.nan, np.inf, -np.inf):
        values[299, 6] = odd
        assert not is_finite(values)
    assert is_finite(np.zeros((2, 3), "int32"))
    assert is_finite(np.zeros((0, 3), kind))
