"""What came out of a run, compared with its lock: bit for bit, or within tolerances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgery.model.archive import write_archive
from surgery.planning import Plan, stack
from surgery.planning.facts import input_facts
from surgery.planning.lock import Lock, make_lock
from surgery.planning.outputs import (
    EXACT,
    WHOLE,
    compare_outputs,
    other_stack,
    output_facts,
    was_on_features,
    without_stack,
)
from tests.networks import classifier, values_of
from tests.recipes_text import plan_of

BODY = """
operations:
  - {op: freeze, layers: {to: flatten}}
training:
  data: {train: {npz: data.npz, x: x, y: y}}
  stages:
    - name: head
      epochs: 1
      optimizer: {SGD: {learning_rate: 0.1}}
      loss: sparse_categorical_crossentropy
"""

DOCUMENT: dict[str, Any] = {
    "device": "cpu, 2 threads",
    "evaluation": [{"evaluation": "old task", "metric": "accuracy", "after": 0.9}],
    "stages": [{"name": "head", "epochs": [{"metrics": {"loss": 0.5}}]}],
}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    np.savez(tmp_path / "data.npz", x=np.zeros((4, 8, 8, 1), "float32"), y=np.arange(4))
    return plan_of(tmp_path, BODY)


def outputs(folder: Path, scale: dict[tuple[str, str], float] | None = None, **document: Any) -> dict[str, str]:
    """The facts of a run that multiplied some variables."""
    values = values_of(classifier())
    for name, factor in (scale or {}).items():
        values[name] = values[name] * np.float32(factor)
    write_archive(folder / "new.keras", classifier(), values)
    return output_facts(folder / "new.keras", {**DOCUMENT, **document})


def names(lock: Lock, now: dict[str, str], plan: Plan, same_stack: bool) -> list[str]:
    errors = compare_outputs(lock, now, plan, same_stack=same_stack)
    return [error.what.partition(": was")[0] for error in errors]


def test_the_facts_of_a_run(tmp_path: Path) -> None:
    facts = outputs(tmp_path)
    assert facts["output metric old task: accuracy"] == "0.9"
    assert facts["output metric stage head: loss"] == "0.5"
    assert facts["output device"] == "cpu"
    assert len([name for name in facts if name.startswith("output variable")]) == 8
    assert facts["output variable conv1 vars/0 kernel"].startswith("sha256:")


def test_on_the_same_stack_every_bit_counts(tmp_path: Path, plan: Plan) -> None:
    lock = make_lock(input_facts(plan), outputs=outputs(tmp_path))
    assert names(lock, outputs(tmp_path), plan, True) == []
    changed = outputs(tmp_path, {("dense", "vars/0"): 1.0001}, evaluation=[])
    assert names(lock, changed, plan, True) == [
        "output metric old task: accuracy is gone: 0.9",
        "output variable dense vars/0 kernel",
    ]


def test_elsewhere_what_is_trained_may_differ_a_little(tmp_path: Path, plan: Plan) -> None:
    lock = make_lock(input_facts(plan), outputs=outputs(tmp_path))
    near = [{"evaluation": "old task", "metric": "accuracy", "after": 0.91}]
    assert names(lock, outputs(tmp_path, {("dense", "vars/0"): 1.04}, evaluation=near), plan, False) == []
    far = [{"evaluation": "old task", "metric": "accuracy", "after": 0.95}]
    assert names(lock, outputs(tmp_path, {("dense", "vars/0"): 1.2}, evaluation=far), plan, False) == [
        "output metric old task: accuracy",
        "output variable dense vars/0 kernel",
    ]


def test_elsewhere_what_is_kept_and_frozen_may_not_differ_at_all(tmp_path: Path, plan: Plan) -> None:
    lock = make_lock(input_facts(plan), outputs=outputs(tmp_path))
    changed = outputs(tmp_path, {("conv1", "vars/0"): 1.0001})
    assert names(lock, changed, plan, False) == ["output variable conv1 vars/0 kernel"]


def test_a_metric_that_is_no_number_is_near_to_nothing(tmp_path: Path, plan: Plan) -> None:
    lock = make_lock(input_facts(plan), outputs=outputs(tmp_path))
    nan = [{"evaluation": "old task", "metric": "accuracy", "after": float("nan")}]
    assert names(lock, outputs(tmp_path, evaluation=nan), plan, False) == ["output metric old task: accuracy"]


def test_what_the_same_stack_is(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, now = input_facts(plan), outputs(tmp_path)
    lock = make_lock(inputs, outputs=now)
    assert other_stack(lock, inputs, now) == []
    assert other_stack(lock, inputs, {**now, "output device": "gpu"}) == ["device: was cpu, is gpu"]
    (line,) = other_stack(lock, {**inputs, "version keras": "3.16.0"}, now)
    assert line.startswith("version keras: was 3.")
    assert line.endswith(", is 3.16.0")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE42")
    (line,) = other_stack(lock, inputs, outputs(tmp_path))
    assert "ONEDNN_MAX_CPU_ISA" in line
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    monkeypatch.setattr(stack, "version_of", lambda name: "0")
    assert without_stack(input_facts(plan)) == without_stack(inputs)


def on_features(**near: Any) -> dict[str, Any]:
    stage = {**DOCUMENT["stages"][0], "whole_because": None, "features": {"exact": False, "tolerance": 1e-5, **near}}
    return {"stages": [stage]}


def test_features_that_are_only_near_are_told_from_exact_ones_and_from_none(tmp_path: Path, plan: Plan) -> None:
    inputs, name = input_facts(plan), "output features stage head"
    whole, exact, near = (outputs(tmp_path, **how) for how in ({}, on_features(exact=True), on_features()))
    assert [facts[name] for facts in (whole, exact, near)] == [WHOLE, EXACT, "within 1e-05 of the largest value"]
    for then, now in ((whole, near), (near, exact), (exact, whole)):
        (line,) = other_stack(make_lock(inputs, outputs=then), inputs, now)
        assert line == f"features stage head: was {then[name]}, is {now[name]}"
        assert names(make_lock(inputs, outputs=then), now, plan, False) == []
    assert [was_on_features(make_lock(inputs, outputs=facts)) for facts in (whole, exact, near)] == [False, True, True]
    del whole[name]
    assert other_stack(make_lock(inputs, outputs=whole), inputs, near) == []
    assert was_on_features(make_lock(inputs, outputs=whole))
