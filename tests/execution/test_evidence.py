"""What operations claim is measured before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery import api
from surgery.errors import PromiseBroken
from surgery.execution import build as building
from surgery.execution.evidence import evidence, how_near
from surgery.recipe import load_recipe
from tests.execution.graph_features import FEATURES
from tests.networks import classifier
from tests.recipes_text import plan_of, write_recipe

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


CLAIMS = {
    "insert": (
        "{op: insert, after: conv1, layers: [{Activation: {activation: linear, name: same}}]}",
        "conv1",
        "predictions",
    ),
    "rename": ("{op: rename, layers: {conv1: first}}", "first", "predictions"),
    "truncate": ("{op: truncate, after: conv2}", "conv1", "conv2"),
    "branch": ("{op: branch, from: flatten, layers: [{Dense: {units: 2, name: other}}]}", "dense", "predictions"),
    "replace": ("{op: replace, layers: predictions, with: [{Dense: {units: 2, name: other}}]}", "conv2", "dense"),
    "lora": ("{op: lora, layers: dense, rank: 2}", "conv1", "predictions"),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_build_that_breaks_a_claim_is_refused_and_nothing_is_written(
    tmp_path: Path, claim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation, changed, compared = CLAIMS[claim]
    plan = plan_of(tmp_path, f"operations: [{operation}]\n")
    assert compared in {check.layer for check in api.apply_to_file(plan, tmp_path / "good.keras", prove=True).checks}
    _sabotage(monkeypatch, changed)
    with pytest.raises(PromiseBroken, match=f"other numbers at '{compared}'"):
        api.apply_to_file(plan, tmp_path / "bad.keras", prove=True)
    assert not (tmp_path / "bad.keras").exists()


def _sabotage(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Has every model that is built for a result compute something else from a layer on."""
    sound = building.build

    def unsound(*arguments: Any) -> Any:
        model = sound(*arguments)
        layer = model
        for name in path.split("/"):
            layer = layer.get_layer(name)
        layer.bias.assign_add(keras.ops.ones_like(layer.bias))
        return model

    monkeypatch.setattr(building, "build", unsound)


def adapted(folder: Path) -> Any:
    """A live model whose adapters have learned something, and the file that Keras writes of it."""
    layers = [keras.Input((4,)), keras.layers.Dense(3, name="hidden"), keras.layers.Dense(2, name="last")]
    model = keras.Sequential(layers)
    for name in ("hidden", "last"):
        model.get_layer(name).enable_lora(2)
        model.get_layer(name).lora_kernel_b.assign(
            keras.random.normal(model.get_layer(name).lora_kernel_b.shape, seed=1)
        )
    model.save(folder / "model.keras")
    return model


def test_merge_lora_is_the_adapted_model_and_that_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = adapted(tmp_path)
    plan = plan_of(tmp_path, "operations: [{op: merge_lora, layers: '*'}]\n")
    merged = api.apply(plan)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    np.testing.assert_allclose(merged.predict(x, verbose=0), live.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    assert not np.allclose(merged.get_layer("last").kernel, live.get_layer("last")._kernel)
    found = api.apply_to_file(plan, tmp_path / "out.keras", prove=True)
    assert [(claim.op, claim.claim) for claim in found.claims] == [
        ("merge_lora", "the plain layers compute what the adapted ones did")
    ]
    assert [(check.layer, check.is_output, check.held) for check in found.checks] == [("last", True, True)]
    _sabotage(monkeypatch, "hidden")
    with pytest.raises(PromiseBroken, match="other numbers at 'last'"):
        api.apply_to_file(plan, tmp_path / "bad.keras", prove=True)


def test_a_run_that_merges_says_so_in_its_record(tmp_path: Path) -> None:
    adapted(tmp_path)
    recipe = load_recipe(write_recipe(tmp_path, "operations: [{op: merge_lora, layers: '*'}]\n"))
    result = api.run(recipe)
    document = json.loads((result.folder / "run.json").read_text())
    assert [claim["op"] for claim in document["evidence"]["claims"]] == ["merge_lora"]
    assert [check["layer"] for check in document["evidence"]["checks"]] == ["last"]
    assert "Output last is that of the source" in (result.folder / "report.md").read_text()


def nested(folder: Path) -> None:
    def chain(*layers: Any) -> Any:
        return keras.Sequential(list(layers[1:]), name=layers[0])

    dense = keras.layers.Dense
    inner = chain("inner", keras.Input((5,)), dense(5, name="deep"), dense(4, name="end"))
    body = chain("body", keras.Input((6,)), dense(5, name="early"), inner)
    chain("whole", keras.Input((4,)), dense(6, name="stem"), body, dense(2, name="head")).save(folder / "model.keras")


def test_inside_nested_models_what_stays_is_measured_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nested(tmp_path)
    body = "operations: [{op: replace, layers: body/inner/end, with: [{Dense: {units: 4, name: other}}], weights: fresh}]\n"
    plan = plan_of(tmp_path, body)
    found = api.apply_to_file(plan, tmp_path / "out.keras")
    assert [(check.layer, check.source, check.is_output) for check in found.checks] == [
        ("stem", "stem", False),
        ("body/early", "body/early", False),
        ("body/inner/deep", "body/inner/deep", False),
    ]
    _sabotage(monkeypatch, "body/inner/deep")
    with pytest.raises(PromiseBroken, match="other numbers at 'body/inner/deep'"):
        api.apply_to_file(plan, tmp_path / "bad.keras")


def test_more_tensors_than_fit_at_once_are_measured(tmp_path: Path) -> None:
    image = keras.Input((3,))
    stems = [keras.layers.Dense(3, name=f"stem{number}")(image) for number in range(20)]
    heads = [keras.layers.Dense(2, name=f"head{number}")(stem) for number, stem in enumerate(stems)]
    keras.Model(image, heads).save(tmp_path / "model.keras")
    plan = plan_of(tmp_path, "operations: [{op: reinitialize, layers: 'head*'}]\n")
    found = api.apply_to_file(plan, tmp_path / "out.keras")
    assert {check.layer for check in found.checks} == {f"stem{number}" for number in range(20)}


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


def test_what_is_called_equal_bit_for_bit_is_equal_in_its_bits() -> None:
    one = np.array([0.0, 1.0, np.nan, np.inf], "float32")
    assert how_near(one, one.copy()) == (0.0, True)
    difference, held = how_near(one, np.array([-0.0, 1.0, np.nan, np.inf], "float32"))
    assert difference > 0
    assert held
    # One that is no number in the one and infinite in the other, or infinite on the other side, is no rounding.
    for other in ([0.0, 1.0, np.inf, np.inf], [0.0, 1.0, np.nan, -np.inf], [0.0, 1.0, np.nan, 3.0]):
        assert how_near(one, np.array(other, "float32")) == (float("inf"), False)
