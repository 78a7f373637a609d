"""States between two operations need not be valid, when the end is."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from surgery.errors import GraphUnsupported, ShapeMismatch, SurgeryError, WeightMismatch, flatten
from surgery.model.spec import ModelSpec
from surgery.model.weights import Stored
from surgery.planning import Plan
from tests.networks import network
from tests.recipes_text import plan_of


def reader() -> ModelSpec:
    """image (tokens) -> embed -> memory -> head."""
    return network(
        {"Embedding": {"input_dim": 9, "output_dim": 4, "name": "embed"}},
        {"LSTM": {"units": 3, "name": "memory"}},
        {"Dense": {"units": 2, "name": "head"}},
        shape=(5,),
    )


def planned(folder: Path, *entries: str, model: ModelSpec | None = None) -> Plan:
    return plan_of(folder, "operations:\n" + "".join(f"  - {entry}\n" for entry in entries), model or reader())


VECTORS = (
    "{op: remove, layers: embed}",
    "{op: reconfigure, layers: image, config: {shape: [5, 4]}}",
    "{op: reconfigure, layers: memory, config: {activation: relu}}",
)


@pytest.mark.parametrize("entries", list(permutations(VECTORS)))
def test_an_embedding_goes_and_its_input_becomes_vectors(tmp_path: Path, entries: tuple[str, ...]) -> None:
    plan = planned(tmp_path, *entries)
    assert plan.spec["image"].outputs[0].shape == (None, 5, 4)
    assert {line.source for line in plan.ledger if line.path != "embed"} == {"kept"}


@pytest.mark.parametrize("weights", ["keep", "overlap"])
def test_weights_wait_until_their_layer_is_proved(tmp_path: Path, weights: str) -> None:
    again = f"{{op: replace, layers: memory, with: [{{LSTM: {{inherit: true, name: again}}}}], weights: {weights}}}"
    renamed = "{op: rename, layers: {head: predictions}}"
    plan = planned(tmp_path, VECTORS[0], again, renamed, VECTORS[1])
    assert [weight.source for weight in plan.spec["again"].weights] == [
        Stored("memory", weight.key, weight.shape, "float32") for weight in plan.source.spec["memory"].weights
    ]


def test_what_never_fits_is_said_of_the_operation_since_which_it_does_not(tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch) as caught:
        planned(tmp_path, VECTORS[2], VECTORS[0], "{op: rename, layers: {memory: lstm}}")
    assert caught.value.what.startswith("remove: 'lstm' cannot take its input")
    assert caught.value.location is not None
    assert caught.value.location.line == 7
    assert caught.value.expected
    assert caught.value.fix


def test_weights_that_do_not_fit_in_the_end(tmp_path: Path) -> None:
    keep = "{op: replace, layers: memory, with: [{LSTM: {inherit: true, name: again}}], weights: keep}"
    with pytest.raises(SurgeryError) as caught:
        planned(tmp_path, VECTORS[0], keep, "{op: reconfigure, layers: image, config: {shape: [5, 6]}}")
    (error,) = flatten(caught.value)
    assert isinstance(error, WeightMismatch)
    assert error.location is not None
    assert error.location.line == 7


@pytest.mark.parametrize("entries", list(permutations((*VECTORS[:2], "{op: resize, layer: memory, units: 4}"))))
def test_what_needs_shapes_waits_until_they_fit(tmp_path: Path, entries: tuple[str, ...]) -> None:
    model = network(
        {"Embedding": {"input_dim": 9, "output_dim": 4, "name": "embed"}},
        {"Dense": {"units": 3, "name": "memory"}},
        {"Dense": {"units": 2, "name": "head"}},
        shape=(5,),
    )
    assert planned(tmp_path, *entries, model=model).spec["memory"].outputs[0].shape == (None, 5, 4)


def test_what_needs_shapes_is_left_out_where_they_never_fit(tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch, match="remove"):
        planned(tmp_path, VECTORS[0], "{op: prune, layers: memory, keep: 2}")


@pytest.mark.parametrize("is_first", [True, False])
def test_a_layer_that_nobody_reads_in_between(tmp_path: Path, is_first: bool) -> None:
    skip = "{op: replace, layers: head, with: [{Flatten: {inputs: [embed]}}, {Dense: {units: 2, name: new}}]}"
    gone = "{op: remove, layers: memory}"
    plan = planned(tmp_path, *((skip, gone) if is_first else (gone, skip)))
    assert [layer.name for layer in plan.spec.layers] == ["image", "embed", "flatten", "new"]
    with pytest.raises(GraphUnsupported, match="nothing would read 'memory'"):
        planned(tmp_path, skip)
