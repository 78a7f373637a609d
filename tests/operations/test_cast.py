"""`cast`: dtype policies, and what becomes of the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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
