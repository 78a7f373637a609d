"""`lora` and `merge_lora` on specs and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.errors import GraphUnsupported
from surgery.model.archive import read_model
from surgery.model.weights import Fresh, Stored
from tests.networks import as_saved, changed, classifier, edits_of, write_network
from tests.recipes_text import plan_of

LORA = "operations:\n  - {op: lora, layers: [conv2, dense], rank: 2, alpha: 4}\n"


def test_the_halves_beside_the_kernel() -> None:
    model = changed(classifier(), op="lora", layers=["conv2", "dense"], rank=2)
    kernel, first, second, bias = model["conv2"].weights
    assert (first.name, first.shape) == ("lora_kernel_a", (3, 3, 4, 2))
    assert (second.name, second.shape) == ("lora_kernel_b", (2, 4))
    assert not kernel.trainable
    assert bias.trainable
    assert isinstance(kernel.source, Stored)
    assert first.source == Fresh("HeUniform")
    assert model["dense"].trainable_parameters == 36 * 2 + 2 * 6 + 6


def test_the_ledger_says_what_no_file_holds(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, LORA)
    lines = {line.variable: line.source for line in plan.ledger if line.path == "dense"}
    assert lines["kernel"] == "kept"
    assert lines["lora_kernel_b"].startswith("fresh, Zeros, seed ")
    assert lines["lora_kernel_b"].endswith("no file holds it, Keras adds it to the kernel when it saves")


def test_a_file_with_lora_is_read_and_merged(tmp_path: Path) -> None:
    adapted = as_saved(changed(classifier(), op="lora", layers="dense", rank=2))
    write_network(tmp_path / "model.keras", adapted)
    assert read_model(tmp_path / "model.keras")["dense"].config["lora_rank"] == 2
    plan = plan_of(tmp_path, "operations:\n  - {op: merge_lora, layers: '*'}\n")
    assert plan.source.spec.parameters == classifier().parameters + 36 * 2 + 2 * 6
    assert plan.spec.parameters == classifier().parameters
    assert [weight.trainable for weight in plan.spec["dense"].weights] == [True, True]
    sources = [line.source for line in plan.ledger]
    assert sources.count("kept") == 8
    assert sources.count("dropped") == 2


def test_the_same_again_changes_nothing() -> None:
    model = changed(classifier(), op="lora", layers="dense", rank=2)
    assert edits_of(model, op="lora", layers="dense", rank=2) == []
    assert edits_of(classifier(), op="merge_lora", layers="*") == []


@pytest.mark.parametrize("layers", ["pool1", "*"])
def test_what_cannot_be_adapted(layers: str) -> None:
    with pytest.raises(GraphUnsupported, match=r"'pool1'.* cannot be adapted"):
        edits_of(classifier(), op="lora", layers=layers, rank=2)


def test_a_constraint_stands_in_the_way() -> None:
    model = changed(classifier(), op="reconfigure", layers="dense", config={"kernel_constraint": {"NonNeg": {}}})
    with pytest.raises(GraphUnsupported, match="constraint"):
        edits_of(model, op="lora", layers="dense", rank=2)
