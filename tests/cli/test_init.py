"""`surgery init`: the recipe that it writes loads, plans, is formatted, and has the model's own names."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery import api
from surgery.cli.main import run
from surgery.model.spec import ModelSpec
from surgery.planning import Plan
from surgery.recipe import load_recipe
from tests.networks import changed, classifier, network, residual, write_network


def started(folder: Path, model: ModelSpec) -> Plan:
    """The plan of the recipe that is written for a model."""
    write_network(folder / "model.keras", model)
    recipe = folder / "recipes" / "first.yaml"
    recipe.parent.mkdir()
    assert run(["init", str(folder / "model.keras"), "-o", str(recipe)]) == 0
    assert run(["validate", str(recipe)]) == 0
    assert run(["fmt", "--check", str(recipe)]) == 0
    return api.plan(load_recipe(recipe))


@pytest.mark.parametrize("class_name", ["Functional", "Sequential"])
def test_the_head_is_replaced_and_the_rest_frozen(tmp_path: Path, class_name: str) -> None:
    plan = started(tmp_path, classifier(class_name))
    assert (plan.steps[0].op, plan.steps[0].layers) == ("replace", ("predictions",))
    assert plan.steps[1].op == "freeze"
    assert plan.spec["new_head"].config["units"] == 5
    assert plan.spec.trainable_parameters == plan.spec["new_head"].parameters


def test_branches(tmp_path: Path) -> None:
    assert started(tmp_path, residual()).spec["new_head"].class_name == "Dense"


def test_what_is_frozen_already_is_not_frozen_again(tmp_path: Path) -> None:
    plan = started(tmp_path, changed(classifier(), op="freeze", layers={"to": "dense"}))
    assert [step.op for step in plan.steps] == ["replace"]


def test_a_model_without_weights(tmp_path: Path) -> None:
    assert started(tmp_path, network({"Flatten": {"name": "flatten"}})).steps == ()


@pytest.mark.parametrize("name", ["a*b", "yes", "3", "null", "x: y", "#", 'qu"ote', "${x}", "new_head", "ü ö"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    model = network({"Flatten": {"name": "flatten"}}, {"Dense": {"units": 3, "name": name}})
    assert len(started(tmp_path, model).steps) == 1


def test_it_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_network(tmp_path / "model.keras", classifier())
    recipe = tmp_path / "first.yaml"
    recipe.write_text("mine")
    assert run(["init", str(tmp_path / "model.keras"), "-o", str(recipe)]) == 1
    assert "error[output-refused]" in capsys.readouterr().err
    assert recipe.read_text() == "mine"


def test_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_network(tmp_path / "model.keras", classifier())
    monkeypatch.chdir(tmp_path)
    assert run(["init", "model.keras"]) == 0
    assert capsys.readouterr().out.startswith("Written: model.yaml\n")
    assert "path: model.keras" in (tmp_path / "model.yaml").read_text()
