"""One stage that unfreezes group by group is several in the plan, and what BatchNormalization does in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.errors import NothingToDo, UnknownLayer
from surgery.planning import Plan
from surgery.reporting.plan_markdown import plan_markdown
from surgery.reporting.plan_text import plan_text
from tests.networks import network
from tests.recipes_text import plan_of

BODY = """
operations: [{{op: freeze, layers: {{to: second}}}}]
training:
  data: {{train: {{npz: data.npz, x: x, y: y}}}}
  stages:
    - {{name: head, epochs: 1, optimizer: Adam, loss: mse}}
    - name: all
      gradual: [{groups}]
      epochs: 2
      optimizer: Adam
      loss: mse
      {more}
"""


def planned(folder: Path, groups: str = "{from: norm, to: second}, first", more: str = "") -> Plan:
    (folder / "data.npz").touch()
    model = network(
        {"Dense": {"units": 3, "name": "first"}},
        {"BatchNormalization": {"name": "norm"}},
        {"Dense": {"units": 4, "name": "second"}},
        {"Dense": {"units": 5, "name": "head"}},
        shape=(2,),
    )
    return plan_of(folder, BODY.format(groups=groups, more=more), model)


def test_each_group_is_a_stage(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert [stage.name for stage in plan.stages] == ["head", "all (1 of 2)", "all (2 of 2)"]
    assert [stage.number for stage in plan.stages] == [0, 1, 1]
    assert [[path for path, on in stage.trainable.items() if on and path != "image"] for stage in plan.stages[1:]] == [
        ["norm", "second", "head"],
        ["first", "norm", "second", "head"],
    ]
    assert "Stage all (2 of 2): trains 56 parameters\n  unfreeze (line 11): first" in plan_text(plan)


def test_a_group_that_matches_nothing_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UnknownLayer) as caught:
        planned(tmp_path, groups="second, fisrt")
    assert (caught.value.location.line, caught.value.location.column) == (11, 25)  # type: ignore[union-attr]


def test_a_group_that_trains_already_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NothingToDo):
        planned(tmp_path, groups="second, second")


def test_rates_may_name_layers_of_later_groups(tmp_path: Path) -> None:
    plan = planned(tmp_path, groups="second, first", more="learning_rates: [{layers: first, multiplier: 0.1}]")
    assert [list(stage.rates) for stage in plan.stages] == [[], [], ["first"]]


def test_the_plan_says_what_batch_normalization_does(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert [stage.normalization for stage in plan.stages] == [None, "train (1 layers)", "train (1 layers)"]
    assert "batch normalization: train (1 layers)" in plan_text(plan)
    assert "train (1 layers)" in plan_markdown(plan)


def test_in_inference_they_stay_frozen(tmp_path: Path) -> None:
    plan = planned(tmp_path, more="batch_normalization: inference")
    assert [stage.trainable["norm"] for stage in plan.stages] == [False, False, False]
    assert plan.stages[-1].trainable["first"]


def test_adapting_they_learn_no_parameters(tmp_path: Path) -> None:
    stage = planned(tmp_path, more="batch_normalization: adapt").stages[-1]
    assert (stage.trainable["norm"], stage.adapted) == (True, ("norm",))
    assert stage.trainable_parameters == stage.spec.trainable_parameters - 6
