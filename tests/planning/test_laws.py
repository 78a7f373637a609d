"""Laws of plans: operations on disjoint layers commute; planning is pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surgery.planning import Plan
from tests.networks import network
from tests.recipes_text import plan_of

# No two of them touch the same layer, nor an edge between the same two.
DISJOINT = (
    {"op": "replace", "layers": "a", "with": [{"Dense": {"units": 4, "activation": "tanh"}}]},
    {"op": "insert", "after": "c", "layers": [{"Dropout": {"rate": 0.5}}]},
    {"op": "insert", "before": "g", "layers": [{"Dropout": {"rate": 0.1}}, {"Dense": {"units": 4}}]},
    {"op": "rename", "layers": {"i": "renamed"}},
    {"op": "reconfigure", "layers": "k", "config": {"activation": "relu"}},
    {"op": "remove", "layers": "m"},
    {"op": "reinitialize", "layers": ["o", "k"]},
    {"op": "freeze", "layers": "b"},
    {"op": "freeze", "layers": {"from": "c", "to": "e"}},
    {"op": "append", "layers": [{"Dense": {"units": 2}}]},
)
NAMES = "abcdefghijklmnop"


def plan_of_all(folder: Path, operations: Sequence[Any]) -> Plan:
    model = network(*({"Dense": {"units": 4, "name": name}} for name in NAMES), shape=(4,))
    body = "operations:\n" + "".join(f"  - {json.dumps(operation)}\n" for operation in operations)
    return plan_of(folder, body, model)


def without_lines(plan: Plan) -> dict[str, Any]:
    """The plan but for what tells where an operation is written."""
    document = dict(plan.to_json())
    document["steps"] = [{**step, "line": 0} for step in document["steps"]]
    return document


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("laws")


@given(st.permutations(DISJOINT), st.integers(1, len(DISJOINT)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_operations_on_disjoint_layers_commute(folder: Path, operations: list[Any], count: int) -> None:
    chosen = operations[:count]
    as_listed = sorted(chosen, key=DISJOINT.index)
    assert without_lines(plan_of_all(folder, chosen)) == without_lines(plan_of_all(folder, as_listed))


@given(st.permutations(DISJOINT))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_planning_is_deterministic(folder: Path, operations: list[Any]) -> None:
    one, two = (plan_of_all(folder, operations) for _ in range(2))
    assert one.to_json() == two.to_json()
    assert one.spec == two.spec


def test_operations_that_meet_keep_the_written_order(folder: Path) -> None:
    first = {"op": "insert", "before": "b", "layers": [{"Dropout": {"rate": 0.1, "name": "one"}}]}
    second = {"op": "insert", "before": "b", "layers": [{"Dropout": {"rate": 0.2, "name": "two"}}]}
    plan = plan_of_all(folder, [first, second])
    assert plan.spec["b"].inbound == ("two",)
    assert plan.spec["two"].inbound == ("one",)
    plan = plan_of_all(folder, [second, first])
    assert plan.spec["b"].inbound == ("one",)
