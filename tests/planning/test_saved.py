"""Saved plans: carried out as they are, or refused for each thing that moved."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgery import api
from surgery.cli.main import run
from surgery.errors import Errors, ModelInvalid, PlanStale, SurgeryError, flatten
from surgery.model.archive import open_weights, read_model, write_archive
from surgery.planning import stack
from surgery.recipe import load_recipe
from tests.recipes_text import write_recipe

BODY = """
parameters: {which: conv1}
operations:
  - {op: freeze, layers: "${which}"}
training:
  data: {train: {npz: data.npz, x: x, y: y}}
  stages:
    - name: head
      epochs: 1
      optimizer: {SGD: {learning_rate: 0.1}}
      loss: sparse_categorical_crossentropy
"""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A plan that was saved beside its recipe."""
    np.savez(tmp_path / "data.npz", x=np.zeros((4, 8, 8, 1), "float32"), y=np.arange(4))
    recipe = write_recipe(tmp_path, BODY)
    path = tmp_path / "plan.json"
    api.save_plan(api.plan(load_recipe(recipe)), path)
    return path


def test_an_untouched_plan_is_the_same_plan(saved: Path) -> None:
    assert api.load_plan(saved).to_json() == api.plan(load_recipe(saved.parent / "recipe.yaml")).to_json()


def test_it_may_move_with_its_recipe(saved: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("plan.json", "recipe.yaml", "model.keras", "data.npz"):
        (tmp_path / name).rename(moved / name)
    assert api.load_plan(moved / "plan.json").steps


def test_saving_again_gives_the_same_bytes(saved: Path) -> None:
    before = saved.read_bytes()
    api.save_plan(api.load_plan(saved), saved)
    assert saved.read_bytes() == before
    assert str(saved.parent).encode() not in before


def recipe_byte(folder: Path) -> None:
    with (folder / "recipe.yaml").open("a") as file:
        file.write(" ")


def weight_bit(folder: Path) -> None:
    spec = read_model(folder / "model.keras")
    with open_weights(folder / "model.keras") as stored:
        values = {name: np.array(stored[name]) for name in stored}
    values["conv2", "vars/1"].view("u1")[0] ^= 1
    write_archive(folder / "model.keras", spec, values)


def model_config(folder: Path) -> None:
    path = folder / "model.keras"
    spec = read_model(path)
    layer = spec["pool1"]
    with open_weights(path) as stored:
        values = {name: np.array(stored[name]) for name in stored}
    write_archive(path, spec.with_layer("pool1", replace(layer, config={**layer.config, "trainable": False})), values)


def data_file(folder: Path) -> None:
    np.savez(folder / "data.npz", x=np.ones((4, 8, 8, 1), "float32"), y=np.arange(4))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (recipe_byte, ["recipe"]),
        (weight_bit, ["model variable conv2 vars/1 bias"]),
        (model_config, ["model config"]),
        (data_file, ["data npz data.npz"]),
    ],
)
def test_it_is_refused_after_each_single_change(saved: Path, change: Callable[[Path], None], names: list[str]) -> None:
    change(saved.parent)
    with pytest.raises(SurgeryError) as refusal:
        api.load_plan(saved)
    found = flatten(refusal.value)
    assert all(isinstance(error, PlanStale) for error in found)
    assert [error.what.partition(":")[0] for error in found] == names


@pytest.mark.parametrize("package", ["keras", "keras-surgery", "numpy", "tensorflow"])
def test_it_is_refused_with_another_version(saved: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = stack.version_of
    monkeypatch.setattr(stack, "version_of", lambda name: "99.0" if name == package else real(name))
    with pytest.raises(PlanStale, match=r"version .*: was .*, is 99\.0"):
        api.load_plan(saved)


def test_everything_that_moved_is_told(saved: Path) -> None:
    weight_bit(saved.parent)
    data_file(saved.parent)
    with pytest.raises(Errors) as refusal:
        api.load_plan(saved)
    assert len(refusal.value.errors) == 2
    assert run(["apply", str(saved)]) == 1


def test_a_plan_that_was_edited_is_refused(saved: Path) -> None:
    document = json.loads(saved.read_text())
    document["plan"]["ledger"][0]["source"] = "fresh"
    saved.write_text(json.dumps(document))
    with pytest.raises(PlanStale, match="the plan itself: ledger"):
        api.load_plan(saved)


def test_set_is_saved_with_the_plan(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = saved.parent / "recipe.yaml"
    assert run(["plan", str(recipe), "--set", "which=conv2", "--out", str(saved)]) == 0
    assert "carry out exactly this with: surgery apply" in capsys.readouterr().out
    assert api.load_plan(saved).steps[0].layers == ("conv2",)
    assert run(["apply", str(saved), "--set", "which=conv1"]) == 2


def test_the_recipe_is_not_replaced(saved: Path) -> None:
    recipe = saved.parent / "recipe.yaml"
    assert run(["plan", str(recipe), "--out", str(recipe)]) == 1


def with_value(*keys: str, value: Any) -> Callable[[str], str]:
    def change(text: str) -> str:
        document = json.loads(text)
        inside = document
        for key in keys[:-1]:
            inside = inside[key]
        inside[keys[-1]] = value
        return json.dumps(document)

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: "[" * 100_000,
        lambda text: "9" * 5_000,
        lambda text: "null",
        lambda text: text[:-20],
        lambda text: "\udcff",
        with_value("format", value="surgery-plan-9"),
        with_value("further", value=1),
        with_value("facts", value={"seed": 7}),
        with_value("recipe", "path", value=None),
        with_value("plan", "ledger", value={}),
        with_value("plan", "layers", value=[{"layers": "x"}]),
    ],
)
def test_a_hostile_file_is_refused(saved: Path, change: Callable[[str], str]) -> None:
    saved.write_text(change(saved.read_text()), errors="surrogateescape")
    with pytest.raises(ModelInvalid, match="this is no saved plan"):
        api.load_plan(saved)


@pytest.mark.parametrize("path", ["nowhere.yaml", "../../../../etc/passwd", "\x00", "/dev/zero", "\ud800", ""])
def test_a_hostile_recipe_path_is_refused(saved: Path, path: str) -> None:
    saved.write_text(with_value("recipe", "path", value=path)(saved.read_text()))
    with pytest.raises(SurgeryError):
        api.load_plan(saved)


def test_hostile_text_in_it_is_refused(saved: Path) -> None:
    saved.write_text(with_value("recipe", "text", value="\ud800")(saved.read_text()))
    with pytest.raises(PlanStale):
        api.load_plan(saved)


def test_there_is_no_such_file(tmp_path: Path) -> None:
    assert run(["apply", str(tmp_path / "plan.json")]) == 1
