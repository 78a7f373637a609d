"""`cast`: dtype policies, and what becomes of the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgery.execution.commit import apply_to_file
from surgery.model.archive import open_weights
from surgery.model.weights import Cast, Stored
from tests.networks import changed, classifier, edits_of, network
from tests.recipes_text import plan_of


def test_a_mixed_policy_keeps_every_weight() -> None:
    model = changed(classifier(), op="cast", layers={"not": "predictions"}, dtype="mixed_float16")
    assert model["conv1"].config["dtype"]["config"]["name"] == "mixed_float16"
    assert model["conv1"].outputs[0].dtype == "float16"
    assert model["predictions"].outputs[0].dtype == "float32"
    assert all(isinstance(w.source, Stored) and w.dtype == "float32" for w in model["conv1"].weights)


def test_a_plain_policy_converts_the_weights(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "operations:\n  - {op: cast, layers: dense, dtype: bfloat16}\n")
    line = next(line for line in plan.ledger if line.path == "dense")
    assert line.source == "moved from dense, cast from float32 to bfloat16"
    assert plan.spec["dense"].weights[0].dtype == "bfloat16"
    apply_to_file(plan, tmp_path / "out.keras")
    with open_weights(tmp_path / "out.keras") as new, open_weights(tmp_path / "model.keras") as old:
        assert new["dense", "vars/0"].dtype.name == "bfloat16"
        assert np.allclose(new["dense", "vars/0"].astype("float32"), old["dense", "vars/0"], rtol=0.01)


def test_what_a_layer_wraps_is_cast_with_it() -> None:
    inside = {"Dense": {"units": 2}}
    model = network({"TimeDistributed": {"layer": inside, "name": "steps"}}, shape=(3, 4))
    model = changed(model, op="cast", layers="steps", dtype="float16")
    assert model["steps"].config["layer"]["config"]["dtype"]["config"]["name"] == "float16"
    assert all(isinstance(w.source, Cast) for w in model["steps"].weights)


def test_the_same_policy_changes_nothing() -> None:
    assert edits_of(classifier(), op="cast", layers="*", dtype="float32") == []


CAST = "{op: cast, layers: [dense, predictions], dtype: float16}"


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("other", "text"),
    [
        ("{op: resize, layer: predictions, units: 7}", "sliced from"),
        ("{op: resize, layer: predictions, units: 7, new: zero}", "sliced from"),
        ("{op: resize, layer: dense, units: 3}", "sliced from"),
        ("{op: prune, layers: dense, keep: 2}", "sliced from"),
        ("{op: lora, layers: predictions, rank: 1}", "moved from"),
        ("{op: reconfigure, layers: predictions, config: {units: 7}, weights: overlap}", "overlap of"),
        ("{op: reinitialize, layers: predictions}", "fresh"),
        ("{op: transplant, from: model.keras, layers: conv1}", "transplanted from"),
        ("{op: average, with: [model.keras], layers: conv1}", "transplanted, the average"),
    ],
)
def test_values_follow_the_dtype_whatever_else_is_done_to_them(
    tmp_path: Path, other: str, text: str, is_first: bool
) -> None:
    both = [CAST, other] if is_first else [other, CAST]
    plan = plan_of(tmp_path, "operations:\n" + "".join(f"  - {entry}\n" for entry in both))
    assert any(line.source.startswith(text) for line in plan.ledger)
    apply_to_file(plan, tmp_path / "out.keras")
    with open_weights(tmp_path / "out.keras") as new:
        for path, layer in plan.spec.walk():
            for weight in layer.weights:
                assert not weight.is_stored or new[path, weight.key].dtype.name == weight.dtype
                if weight.is_stored and weight.dtype == "float16" and not text.startswith("fresh"):
                    line = next(line for line in plan.ledger if (line.path, line.key) == (path, weight.key))
                    assert "cast from float32 to float16" in line.source, line


@pytest.mark.parametrize("weights", ["keep", "overlap", "fresh", None])
@pytest.mark.parametrize("units", [5, 7])
def test_a_layer_of_another_dtype_in_the_place_of_one(tmp_path: Path, weights: str | None, units: int) -> None:
    said = f", weights: {weights}" if weights else ""
    new = f"[{{Dense: {{units: {units}, dtype: float16}}}}]"
    if weights == "keep" and units == 7:
        return
    plan = plan_of(tmp_path, f"operations:\n  - {{op: replace, layers: predictions, with: {new}{said}}}\n")
    apply_to_file(plan, tmp_path / "out.keras")
    kernel = next(line.source for line in plan.ledger if (line.path, line.variable) == ("predictions", "kernel"))
    kept = weights in ("keep", "overlap") or (weights is None and units == 5)
    assert ("cast from float32 to float16" in kernel) is kept
    with open_weights(tmp_path / "out.keras") as new_values, open_weights(tmp_path / "model.keras") as old:
        values = new_values["predictions", "vars/0"]
        assert values.dtype == "float16"
        corner = old["predictions", "vars/0"].astype("float16")
        assert np.array_equal(values[:, :5], corner) is kept


def test_values_that_were_cast_twice_are_rounded_once(tmp_path: Path) -> None:
    again = "{op: replace, layers: predictions, with: [{Dense: {units: 5}}], weights: keep}"
    plan = plan_of(tmp_path, f"operations:\n  - {CAST}\n  - {again}\n")
    assert {line.source for line in plan.ledger if line.path == "predictions"} == {"kept"}
    apply_to_file(plan, tmp_path / "out.keras")
