"""Models whose Lambda layers carry code: other layers take their place, and nothing runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import surgery
from surgery import api
from surgery.errors import ModelUnsafe
from surgery.model.spec import ModelSpec
from surgery.planning import Plan
from tests.hostile.classes import LAMBDA_FUNCTION
from tests.networks import network, write_network
from tests.recipes_text import plan_of

REPLACED = "[{op: replace, layers: payload, with: [{Rescaling: {scale: 2.0, name: twice}}]}]"
LAMBDA = {"function": LAMBDA_FUNCTION, "arguments": {}}


def carrying(class_name: str = "Lambda", config: Mapping[str, Any] = LAMBDA, kind: str = "Functional") -> ModelSpec:
    """A network with a layer that carries code, `payload`, between two of Dense."""
    dense = [{"Dense": {"units": 3, "name": name}} for name in ("first", "last")]
    model = network(dense[0], {"Rescaling": {"scale": 1.0, "name": "payload"}}, dense[1], shape=(4,), class_name=kind)
    layer = replace(model["payload"], class_name=class_name, config={"name": "payload", **config})
    return model.with_layer("payload", layer)


def planned(folder: Path, operations: str, model: ModelSpec | None = None) -> Plan:
    write_network(folder / "model.keras", model or carrying())
    return plan_of(folder, f"operations: {operations}\n")


@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
def test_another_layer_takes_the_place_of_a_lambda(tmp_path: Path, kind: str) -> None:
    plan = planned(tmp_path, REPLACED, carrying(kind=kind))
    assert "twice" in plan.spec.by_name
    assert "The source model carries code, which is never run: nothing can be measured on it." in plan.notes
    api.apply_to_file(plan, tmp_path / "out.keras", prove=False)
    assert "Lambda" not in {layer.class_name for layer in surgery.read_model(tmp_path / "out.keras").layers}
    api.save_plan(plan, tmp_path / "plan.json")
    assert api.load_plan(tmp_path / "plan.json").source.holds_code


def test_that_needs_no_keras(tmp_path: Path) -> None:
    planned(tmp_path, REPLACED)
    script = (
        "import sys, surgery\nfrom pathlib import Path\nfrom surgery import api\n"
        "plan = surgery.plan(surgery.load_recipe('recipe.yaml'))\n"
        "api.apply_to_file(plan, Path('out.keras'))\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    "operations", ["[]", "[{op: freeze, layers: first}]", "[{op: rename, layers: {payload: other}}]"]
)
def test_a_result_with_code_is_refused(tmp_path: Path, operations: str) -> None:
    with pytest.raises(ModelUnsafe, match="class-lambda") as caught:
        planned(tmp_path, operations)
    assert "op: replace" in str(caught.value)


@pytest.mark.parametrize(
    ("class_name", "config"),
    [
        ("Activation", {"activation": LAMBDA_FUNCTION}),
        ("Rescaling", {"scale": 1.0, "offset": 0.0, "note": [[LAMBDA_FUNCTION]]}),
    ],
)
def test_a_layer_with_code_inside_goes_the_same_way(tmp_path: Path, class_name: str, config: Mapping[str, Any]) -> None:
    with pytest.raises(ModelUnsafe, match="class-lambda"):
        planned(tmp_path, "[]", carrying(class_name, config))
    assert "twice" in planned(tmp_path, REPLACED, carrying(class_name, config)).spec.by_name


def test_what_is_cut_off_does_not_matter(tmp_path: Path) -> None:
    assert [layer.name for layer in planned(tmp_path, "[{op: truncate, after: first}]").spec.listed] == [
        "image",
        "first",
    ]


def test_other_findings_are_not_made_up_for(tmp_path: Path) -> None:
    hostile = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
    with pytest.raises(ModelUnsafe, match="1 more"):
        planned(tmp_path, REPLACED, carrying(config={"function": hostile, "arguments": {}}))
