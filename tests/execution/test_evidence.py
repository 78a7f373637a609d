"""What operations claim is measured before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

from surgery import api
from surgery.errors import PromiseBroken
from surgery.execution.evidence import evidence
from surgery.recipe import load_recipe
from tests.execution.graph_features import FEATURES
from tests.networks import classifier
from tests.recipes_text import plan_of

pytestmark = pytest.mark.keras

REHEAD = """
operations:
  - {op: rename, layers: {conv1: first}}
  - {op: insert, after: first, layers: [{Dropout: {rate: 0.5}}]}
  - {op: replace, layers: predictions, with: [{Dense: {units: 7}}]}
"""


def test_a_new_head_leaves_the_rest(tmp_path: Path) -> None:
    found = api.apply_to_file(plan_of(tmp_path, REHEAD), tmp_path / "out.keras")
    assert [(claim.op, claim.line) for claim in found.claims] == [("rename", 6), ("insert", 7)]
    assert [(check.layer, check.is_output, check.difference) for check in found.checks] == [("dense", False, 0.0)]


def test_truncate_gives_the_inner_activation(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "operations: [{op: truncate, after: conv2}, {op: rename, layers: {conv2: features}}]\n")
    found = api.apply_to_file(plan, tmp_path / "out.keras", prove=True)
    assert [(check.layer, check.source, check.is_output) for check in found.checks] == [("features", "conv2", True)]


def test_without_need_nothing_is_built(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "operations: [{op: freeze, layers: '*'}]\n")
    found = api.apply_to_file(plan, tmp_path / "out.keras")
    assert found.not_measured is not None
    assert "--prove" in found.not_measured
    assert api.apply_to_file(plan_of(tmp_path, REHEAD), tmp_path / "b.keras", prove=False).not_measured


def test_a_model_that_computes_other_numbers_is_refused(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "operations: [{op: freeze, layers: '*'}]\n", classifier("Sequential"))
    model = api.apply(plan)
    assert evidence(plan, model).checks[0].held
    model.get_layer("conv1").bias.assign_add([0.0, 0.1, 0.0, 0.0])
    with pytest.raises(PromiseBroken, match=r"other numbers at 'predictions'"):
        evidence(plan, model)


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_of_a_graph_can_be_measured(feature: str, tmp_path: Path) -> None:
    model: Any = FEATURES[feature]()[0]
    model.save(tmp_path / "model.keras")
    (tmp_path / "recipe.yaml").write_text("surgery: 1\nname: test\nmodel: {path: model.keras}\noperations: []\n")
    plan = api.plan(load_recipe(tmp_path / "recipe.yaml"))
    found = evidence(plan, api.apply(plan))
    assert found.not_measured is None
    assert {check.layer for check in found.checks if check.is_output} == {str(ref) for ref in plan.spec.refs_out()}


def test_numbers_that_a_layer_does_not_take_are_no_failure(tmp_path: Path) -> None:
    x = keras.Input((None,), name="signal")
    model = keras.Model(x, keras.layers.Reshape((7,), name="seven")(x))
    model.save(tmp_path / "model.keras")
    (tmp_path / "recipe.yaml").write_text("surgery: 1\nname: test\nmodel: {path: model.keras}\noperations: []\n")
    plan = api.plan(load_recipe(tmp_path / "recipe.yaml"))
    found = evidence(plan, api.apply(plan))
    assert found.not_measured is not None
    assert found.not_measured.startswith("the model does not take a random batch")
