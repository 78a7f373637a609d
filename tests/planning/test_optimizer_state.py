"""What a plan says of the optimizer's state, without Keras."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.errors import SurgeryError
from surgery.model.weights import Averaged, Cast, Fresh, Overlap, Resampled, Sliced, Stored, WeightSource
from surgery.planning import Plan
from surgery.planning.optimizer_state import BEGINS, state_source
from surgery.reporting.plan_markdown import plan_markdown
from surgery.reporting.plan_text import plan_text
from tests.recipes_text import plan_of

BODY = """
training:
  data: {{train: {{npz: data.npz, x: x, y: y}}}}
  stages:
    - name: head
      operations: [{{op: freeze, layers: {{to: conv2}}}}]
      epochs: 1
      optimizer: {first}
      loss: mse
    - name: all
      operations: [{{op: unfreeze, layers: conv2}}, {{op: freeze, layers: predictions}}]
      epochs: 1
      optimizer: {second}
      loss: mse
      {asked}
"""

STORED = Stored("dense", "vars/0", (4, 3), "float32")
CUT = Sliced(STORED, ((0, (0, 2)),))


def planned(folder: Path, first: str = "Adam", second: str = "Adam", asked: str = "") -> Plan:
    (folder / "data.npz").touch()
    return plan_of(folder, BODY.format(first=first, second=second, asked=asked))


def test_the_same_optimizer_goes_on_with_what_stays(tmp_path: Path) -> None:
    plan = planned(tmp_path, second="{Adam: {learning_rate: 0.1}}")
    first, second = (stage.optimizer for stage in plan.stages)
    assert (first.origin, first.is_plain, first.described) == ("fresh", True, "Adam starts afresh")
    assert (second.origin, second.described) == ("stage", "Adam goes on with its state for 2 of 4 variables")
    assert {(line.path, line.variable): line.source for line in second.ledger} == {
        ("conv2", "kernel"): "fresh, as the optimizer begins",
        ("conv2", "bias"): "fresh, as the optimizer begins",
        ("dense", "kernel"): "kept",
        ("dense", "bias"): "kept",
        ("predictions", "kernel"): "dropped",
        ("predictions", "bias"): "dropped",
    }
    sentence = "Adam goes on with its state for 2 of 4 variables"
    assert f"  optimizer: {sentence}" in plan_text(plan)
    assert f"  - {sentence}" in plan_markdown(plan)
    assert plan.to_json()["stages"][1]["optimizer_state"] == sentence
    assert plan.to_json()["stages"][1]["optimizer_ledger"][2]["source"] == "kept"


@pytest.mark.parametrize(
    ("first", "second", "asked", "said"),
    [
        ("Adam", "{SGD: {momentum: 0.9}}", "", "SGD after Adam: starts afresh"),
        ("Adam", "Adam", "optimizer_state: fresh", "Adam starts afresh, as optimizer_state says"),
        ("Nadam", "Nadam", "", "Nadam starts afresh: what it keeps does not belong to single variables"),
        ("SGD", "SGD", "", "SGD starts afresh: without momentum it keeps nothing"),
    ],
)
def test_another_one_starts_afresh_and_says_why(tmp_path: Path, first: str, second: str, asked: str, said: str) -> None:
    stage = planned(tmp_path, first, second, asked).stages[1]
    assert (stage.optimizer.origin, stage.optimizer.described) == ("fresh", said)
    assert "kept" not in {line.source for line in stage.optimizer.ledger}


def test_a_state_that_cannot_go_on_is_an_error_where_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SurgeryError, match="SGD after Adam") as caught:
        planned(tmp_path, second="SGD", asked="optimizer_state: carry")
    assert caught.value.fix == "optimizer_state: fresh"
    assert caught.value.location is not None
    assert caught.value.location.line == 18


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (STORED, STORED),
        (CUT, CUT),
        (Sliced(STORED, ((1, (0, -1)),), "mean"), Sliced(STORED, ((1, (0, -1)),), Fresh(BEGINS))),
        (Overlap(STORED, Fresh("GlorotUniform")), Overlap(STORED, Fresh(BEGINS))),
        (Cast(CUT, "float32", "bfloat16"), CUT),
        (Fresh("Zeros"), None),
        (Resampled(STORED, (2, 3)), None),
        (Averaged(((STORED, 1.0),)), None),
        (Stored("dense", "vars/0", (4, 3), "float32", "other.keras"), None),
        (Stored("frozen", "vars/0", (4, 3), "float32"), None),
    ],
)
def test_what_stands_beside_a_variable_is_made_as_its_values_are(
    source: WeightSource, expected: WeightSource | None
) -> None:
    assert state_source(source, {("dense", "vars/0")}) == expected
