"""What a plan says that a frozen prefix saves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgery.model.spec import TensorRef
from surgery.planning import Plan
from surgery.planning.prefix import Prefix
from surgery.planning.saving import saving
from surgery.reporting.markdown import escape
from surgery.reporting.plan_markdown import plan_markdown
from surgery.reporting.plan_text import plan_text
from tests.networks import classifier, network
from tests.recipes_text import plan_of

RECIPE = """\
operations: [{op: freeze, layers: {to: flatten}}]
training:
  data: {train: {npz: data.npz, x: x, y: y}}
  stages:
    - {name: head, epochs: EPOCHS, optimizer: SGD, loss: mse}
"""


def planned(folder: Path, text: str) -> Plan:
    np.savez(folder / "data.npz", x=np.zeros((4, 8, 8, 1)), y=np.zeros((4, 5)))
    return plan_of(folder, text, classifier())


CONV, DENSE = 36 * 9 * 4 + 9 * 9 * 4 * 4, 36 * 6 + 6 * 5


@pytest.mark.parametrize(
    ("epochs", "when"),
    [
        (1, "in the next run"),
        (2, "in the second epoch, and in the next run"),
        (5, "in each of 4 further epochs, and in the next run"),
    ],
)
def test_a_plan_says_what_is_saved_and_when(tmp_path: Path, epochs: int, when: str) -> None:
    plan = planned(tmp_path, RECIPE.replace("EPOCHS", str(epochs)))
    said = f"saved {when}: 4 layers with 188 parameters; 91.3 % of the 2,838 multiply-adds of an example"
    assert f"\n    {said}\n" in f"{plan_text(plan)}\n"
    assert escape(said) in plan_markdown(plan)
    assert plan.to_json()["stages"][0]["saving"] == {
        "cut": ["flatten"],
        "layers": 4,
        "parameters": 188,
        "multiply_adds": CONV,
        "of": CONV + DENSE,
        "uncounted": [],
    }


def test_what_cannot_be_counted_is_named() -> None:
    model = network(
        {"ConvLSTM1D": {"filters": 2, "kernel_size": 3, "name": "memory"}},
        {"Flatten": {"name": "flatten"}},
        {"Dense": {"units": 1, "name": "head"}},
        shape=(7, 5, 3),
    )
    found = saving(model, Prefix((TensorRef("flatten"),), ("memory", "flatten"), ("'head' trains",)), 2)
    assert found is not None
    assert found.described.endswith("0 % of the 6 multiply-adds of an example; not counted memory")


def test_nothing_is_said_where_nothing_is_computed_once(tmp_path: Path) -> None:
    plan = planned(tmp_path, RECIPE.replace("{to: flatten}", "dense").replace("EPOCHS", "3"))
    assert plan.to_json()["stages"][0]["saving"] is None
    assert "saved in" not in plan_text(plan)
