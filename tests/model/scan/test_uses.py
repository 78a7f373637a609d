"""Every use of a model file is preceded by its scan, whoever uses it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import surgery
from surgery.errors import FileMissing, ModelUnsafe, SurgeryError, flatten
from surgery.model import reader
from surgery.model.scan import ahead, scan
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
def test_one_process_reads_file_after_file(build: Callable[..., Path], tmp_path: Path) -> None:
    good = build(tmp_path, functional())
    (tmp_path / "bad").mkdir()
    bad = HOSTILE["lambda_in_functional"].build(tmp_path / "bad")
    process = reader.start().process
    for _ in range(2):
        assert scan(good).is_accepted
        assert {finding.code for finding in scan(bad).findings} == {"class-lambda"}
    assert reader.start().process == process


def test_a_file_that_hangs_is_ended_and_the_next_one_is_read(tmp_path: Path) -> None:
    verdict = scan(HOSTILE["cycle_in_the_tree"].build(tmp_path), seconds=2)
    assert [finding.code for finding in verdict.findings] == ["scan-timeout"]
    assert scan(write_model(tmp_path, functional())).is_accepted


def test_a_reader_that_was_killed_is_replaced(tmp_path: Path) -> None:
    good, killed = write_model(tmp_path, functional()), reader.start().process
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    assert scan(good).is_accepted


def test_files_are_scanned_side_by_side_and_used_later(tmp_path: Path) -> None:
    good = write_model(tmp_path, functional())
    (tmp_path / "bad").mkdir()
    bad = HOSTILE["lambda_in_functional"].build(tmp_path / "bad")
    with ahead(good, bad, tmp_path / "missing.keras"):
        assert {finding.code for finding in scan(bad).findings} == {"class-lambda"}
        assert scan(good).is_accepted
    with pytest.raises(FileMissing):
        scan(tmp_path / "missing.keras")


def test_a_scan_ahead_does_not_hold_for_what_took_the_place_of_the_file(tmp_path: Path) -> None:
    path = write_model(tmp_path, functional())
    with ahead(path):
        (tmp_path / "bad").mkdir()
        HOSTILE["lambda_in_functional"].build(tmp_path / "bad").replace(path)
        assert {finding.code for finding in scan(path).findings} == {"class-lambda"}


def test_a_scan_that_nobody_asks_for_leaves_nothing_open(tmp_path: Path) -> None:
    path = write_model(tmp_path, functional())
    reader.start()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with ahead(path, path):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


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
