"""Every use of a model file is preceded by its scan, whoever uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import surgery
from surgery.errors import ModelUnsafe, SurgeryError, flatten
from surgery.model.scan import process, scan
from tests.hostile import HOSTILE
from tests.hostile.model import functional, layer, write_hdf5, write_model
from tests.networks import classifier, write_network
from tests.recipes_text import write_recipe

FREEZE = "operations:\n  - {op: freeze, layers: conv1}\n"


def planned(text: str) -> Callable[[Path], object]:
    def use(hostile: Path) -> object:
        write_network(hostile.parent / "model.keras", classifier())
        recipe = write_recipe(hostile.parent, text.replace("HOSTILE", hostile.name))
        return surgery.plan(surgery.load_recipe(recipe))

    return use


def as_source(hostile: Path) -> object:
    recipe = hostile.parent / "recipe.yaml"
    recipe.write_text(f"surgery: 1\nmodel: {{path: {hostile.name}}}\n{FREEZE}")
    return surgery.plan(surgery.load_recipe(recipe))


def compared(hostile: Path) -> object:
    write_network(hostile.parent / "good.keras", classifier())
    return surgery.diff(hostile.parent / "good.keras", hostile)


USES: dict[str, Callable[[Path], object]] = {
    "read_model": surgery.read_model,
    "plan": as_source,
    "diff": compared,
    "transplant": planned("operations:\n  - {op: transplant, from: HOSTILE, layers: conv1}\n"),
    "average": planned("operations:\n  - {op: average, with: [HOSTILE], layers: conv1}\n"),
}


@pytest.mark.parametrize("use", USES)
def test_a_hostile_file_is_refused_before_it_is_read(use: str, tmp_path: Path) -> None:
    hostile = HOSTILE["lambda_in_functional"].build(tmp_path).rename(tmp_path / "hostile.keras")
    with pytest.raises(SurgeryError) as caught:
        USES[use](hostile)
    assert [type(error) for error in flatten(caught.value)] == [ModelUnsafe]
    assert "class-lambda" in str(caught.value)


def test_a_source_that_changes_after_the_plan_is_not_applied(tmp_path: Path) -> None:
    plan = surgery.plan(surgery.load_recipe(write_recipe(tmp_path, FREEZE)))
    HOSTILE["lambda_in_functional"].build(tmp_path).replace(tmp_path / "model.keras")
    from surgery import api

    with pytest.raises(ModelUnsafe):
        api.apply_to_file(plan, tmp_path / "out.keras")
    assert not (tmp_path / "out.keras").exists()


@pytest.mark.parametrize("build", [write_model, write_hdf5])
def test_a_copy_and_a_fresh_process_say_the_same(
    build: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = build(tmp_path, functional())
    (tmp_path / "bad").mkdir()
    bad = HOSTILE["lambda_in_functional"].build(tmp_path / "bad")
    answers = []
    for can_fork in (True, False):
        monkeypatch.setattr(process, "_can_fork", lambda can_fork=can_fork: can_fork)
        answers.append((scan(good).is_accepted, {finding.code for finding in scan(bad).findings}))
    assert answers == [(True, {"class-lambda"})] * 2


def test_a_copy_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_can_fork", lambda: True)
    verdict = scan(HOSTILE["cycle_in_the_tree"].build(tmp_path), seconds=2)
    assert [finding.code for finding in verdict.findings] == ["scan-timeout"]


IMPORTS = "imports: [my_package.layers]\n"


@pytest.mark.parametrize(
    ("imports", "trust", "accepted"),
    [
        (IMPORTS, (), False),
        ("", ("my_package.layers",), False),
        (IMPORTS, ("other",), False),
        (IMPORTS, ("my_package",), True),
        (IMPORTS, ("my_package.layers",), True),
        ("imports: [my_package]\n", ("my_package.layers",), True),
        ("imports: [my_packages]\n", ("my_package",), False),
    ],
)
def test_a_custom_class_needs_the_imports_and_the_grant(
    imports: str, trust: tuple[str, ...], accepted: bool, tmp_path: Path
) -> None:
    gate = layer("Gate", "gate", {}, "first", module="my_package.layers")
    write_model(tmp_path, functional(gate, middle="gate")).rename(tmp_path / "custom.keras")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"surgery: 1\n{imports}model: {{path: custom.keras}}\n{FREEZE}")
    with pytest.raises(SurgeryError) as caught:
        surgery.plan(surgery.load_recipe(recipe), trust=trust)
    # Once it is accepted, the module that does not exist is asked for its class.
    assert isinstance(caught.value, ModelUnsafe) is not accepted


@pytest.mark.keras
def test_a_weights_file_of_an_application_is_scanned_too(tmp_path: Path) -> None:
    hostile = HOSTILE["external_storage"].build(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"surgery: 1\nmodel: {{application: MobileNetV2, weights: {hostile.name}}}\n{FREEZE}")
    with pytest.raises(ModelUnsafe):
        surgery.plan(surgery.load_recipe(recipe))
