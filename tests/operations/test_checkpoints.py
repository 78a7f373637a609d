"""`transplant` and `average`: weights of other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgery import api
from surgery.errors import Errors, FileMissing, GraphUnsupported, SurgeryError, UnknownLayer, WeightMismatch
from surgery.execution.commit import apply_to_file
from surgery.model.archive import open_weights
from surgery.model.weights import Averaged, Stored
from surgery.planning import Plan
from surgery.recipe import load_recipe
from tests.networks import changed, classifier, write_network
from tests.recipes_text import plan_of, write_recipe


def ledger(plan: Plan) -> dict[tuple[str, str], str]:
    return {(line.path, line.variable): line.source for line in plan.ledger if line.source != "dropped"}


def refusal(folder: Path, body: str) -> SurgeryError:
    with pytest.raises(SurgeryError) as caught:
        api.plan(load_recipe(write_recipe(folder, body)))
    error = caught.value
    return error.errors[0] if isinstance(error, Errors) else error


def test_some_layers_are_transplanted(tmp_path: Path) -> None:
    values = write_network(tmp_path / "other.keras", classifier(), seed=2)
    plan = plan_of(tmp_path, "operations:\n  - {op: transplant, from: other.keras, layers: 'conv*'}\n")
    assert ledger(plan)["conv1", "kernel"] == "transplanted from other.keras"
    assert ledger(plan)["dense", "kernel"] == "kept"
    assert [line.source for line in plan.ledger].count("dropped") == 4
    assert plan.files == ("other.keras",)
    assert plan.to_json()["files"][0]["path"] == "other.keras"
    apply_to_file(plan, tmp_path / "out.keras")
    with open_weights(tmp_path / "out.keras") as written, open_weights(tmp_path / "model.keras") as old:
        assert np.array_equal(written["conv1", "vars/0"], values["conv1", "vars/0"])
        assert np.array_equal(written["dense", "vars/0"], old["dense", "vars/0"])


def test_the_whole_model(tmp_path: Path) -> None:
    write_network(tmp_path / "other.keras", classifier(), seed=2)
    plan = plan_of(tmp_path, "operations:\n  - {op: transplant, from: other.keras}\n")
    kinds = [line.source for line in plan.ledger]
    assert kinds == ["transplanted from other.keras"] * 8 + ["dropped"] * 8


def test_by_a_map(tmp_path: Path) -> None:
    other = changed(classifier(), op="rename", layers={"conv1": "stem"})
    write_network(tmp_path / "other.keras", other, seed=2)
    plan = plan_of(tmp_path, "operations:\n  - {op: transplant, from: other.keras, map: {conv1: stem}}\n")
    assert ledger(plan)["conv1", "kernel"] == "transplanted from other.keras, stem"


def test_after_a_rename(tmp_path: Path) -> None:
    write_network(tmp_path / "other.keras", classifier(), seed=2)
    body = """
    operations:
      - {op: rename, layers: {conv1: stem}}
      - {op: transplant, from: other.keras, map: {stem: conv1}}
    """
    source = plan_of(tmp_path, body).spec["stem"].weights[0].source
    assert source == Stored("conv1", "vars/0", (3, 3, 1, 4), "float32", file="other.keras")


def test_everything_that_does_not_fit_is_listed(tmp_path: Path) -> None:
    other = changed(classifier(), op="reconfigure", layers="predictions", config={"units": 7}, weights="fresh")
    other = changed(other, op="reconfigure", layers="dense", config={"use_bias": False})
    other = changed(other, op="remove", layers="conv2")
    write_network(tmp_path / "other.keras", other)
    error = refusal(tmp_path, "operations:\n  - {op: transplant, from: other.keras}\n")
    assert isinstance(error, WeightMismatch)
    for part in (
        "no layer 'conv2'",
        "'dense' has no bias",
        "kernel of 'predictions' is (6, 7)",
        "bias of 'predictions' is (7,)",
    ):
        assert part in error.what


def test_a_missing_file_has_its_place(tmp_path: Path) -> None:
    error = refusal(tmp_path, "operations:\n  - op: transplant\n    from: none.keras\n")
    assert isinstance(error, FileMissing)
    assert error.location is not None
    assert error.location.line == 7


def test_an_unknown_layer_in_the_map(tmp_path: Path) -> None:
    write_network(tmp_path / "other.keras", classifier(), seed=2)
    error = refusal(tmp_path, "operations:\n  - {op: transplant, from: other.keras, map: {conv9: conv1}}\n")
    assert isinstance(error, UnknownLayer)
    assert "did you mean" in str(error.fix)


def test_the_files_may_not_be_written_over(tmp_path: Path) -> None:
    write_network(tmp_path / "other.keras", classifier(), seed=2)
    plan = plan_of(tmp_path, "operations:\n  - {op: transplant, from: other.keras}\n")
    with pytest.raises(SurgeryError, match="what the recipe reads"):
        apply_to_file(plan, tmp_path / "other.keras")


def test_an_average(tmp_path: Path) -> None:
    two = write_network(tmp_path / "two.keras", classifier(), seed=2)
    three = write_network(tmp_path / "three.keras", classifier(), seed=3)
    plan = plan_of(tmp_path, "operations:\n  - {op: average, with: [two.keras, three.keras], weights: [2, 1, 1]}\n")
    assert ledger(plan)["dense", "bias"] == (
        "transplanted, the average: 0.5 of the source, 0.25 of two.keras, 0.25 of three.keras"
    )
    assert plan.files == ("two.keras", "three.keras")
    apply_to_file(plan, tmp_path / "out.keras")
    with open_weights(tmp_path / "out.keras") as written, open_weights(tmp_path / "model.keras") as one:
        for name in one:
            expected = 0.5 * one[name] + 0.25 * two[name] + 0.25 * three[name]
            assert np.allclose(written[name], expected, atol=1e-6)


def test_an_average_needs_checkpoints(tmp_path: Path) -> None:
    write_network(tmp_path / "two.keras", classifier(), seed=2)
    body = "operations:\n  - {op: reinitialize, layers: dense}\n  - {op: average, with: [two.keras]}\n"
    assert isinstance(refusal(tmp_path, body), GraphUnsupported)


def test_an_average_of_equal_shares(tmp_path: Path) -> None:
    write_network(tmp_path / "two.keras", classifier(), seed=2)
    plan = plan_of(tmp_path, "operations:\n  - {op: average, with: [two.keras], layers: dense}\n")
    source = plan.spec["dense"].weights[0].source
    assert isinstance(source, Averaged)
    assert [share for _, share in source.parts] == [0.5, 0.5]
