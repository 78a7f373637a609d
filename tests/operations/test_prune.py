"""`prune`: channels out, and every dependent layer with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from surgery import api
from surgery.errors import GraphUnsupported
from surgery.execution.commit import apply_to_file
from surgery.model.archive import open_weights, write_archive
from surgery.model.prove import prove
from surgery.model.spec import Call, ModelSpec, TensorRef
from surgery.model.weights import Sliced, Stored
from surgery.planning import Plan
from surgery.recipe import load_recipe
from surgery.reporting.plan_text import plan_text
from tests.networks import as_saved, changed, classifier, network, operation, residual, values_of
from tests.recipes_text import plan_of, write_recipe


def cuts(plan: Plan, path: str, index: int = 0) -> dict[int, tuple[int, ...]]:
    source = plan.spec[path].weights[index].source
    assert isinstance(source, Sliced)
    return dict(source.axes)


def with_small(model: ModelSpec, folder: Path, *small: tuple[str, tuple[int, ...]]) -> None:
    """Writes the model so that these channels of these layers have the smallest kernels."""
    values = values_of(model)
    for path, channels in small:
        values[path, "vars/0"][..., list(channels)] *= 1e-3
    write_archive(folder / "model.keras", model, values)


def test_the_smallest_go_and_the_next_layer_follows(tmp_path: Path) -> None:
    with_small(classifier(), tmp_path, ("conv1", (0, 2)))
    plan = plan_of(tmp_path, "operations:\n  - {op: prune, layers: conv1, fraction: 0.5}\n")
    assert cuts(plan, "conv1") == {3: (1, 3)}
    assert cuts(plan, "conv1", 1) == {0: (1, 3)}
    assert cuts(plan, "conv2") == {2: (1, 3)}
    assert isinstance(plan.spec["conv2"].weights[1].source, Stored)
    assert plan.spec["conv1"].config["filters"] == 2
    line = next(line for line in plan.ledger if line.path == "conv2")
    assert line.source == "sliced from conv2: 2 of 4 on axis 2"
    apply_to_file(plan, tmp_path / "out.keras")
    with open_weights(tmp_path / "out.keras") as new, open_weights(tmp_path / "model.keras") as old:
        assert np.array_equal(new["conv2", "vars/0"], old["conv2", "vars/0"][:, :, [1, 3]])


def test_rows_after_flatten(tmp_path: Path) -> None:
    with_small(classifier(), tmp_path, ("conv2", (1,)))
    plan = plan_of(tmp_path, "operations:\n  - {op: prune, layers: conv2, keep: 3, criterion: l2}\n")
    assert cuts(plan, "dense")[0][:6] == (0, 2, 3, 4, 6, 7)
    assert plan.spec["dense"].weights[0].shape == (27, 6)


def test_given_channels_of_several_layers_in_turn(tmp_path: Path) -> None:
    body = """
    operations:
      - {op: prune, layers: conv1, channels: [0]}
      - {op: prune, layers: conv2, channels: [3, 1]}
    """
    plan = plan_of(tmp_path, body)
    assert plan.spec["conv2"].weights[0].shape == (3, 3, 3, 2)
    apply_to_file(plan, tmp_path / "out.keras")
    with open_weights(tmp_path / "out.keras") as new, open_weights(tmp_path / "model.keras") as old:
        assert np.array_equal(new["conv2", "vars/0"], old["conv2", "vars/0"][:, :, 1:][..., [0, 2]])


def test_an_addition_joins(tmp_path: Path) -> None:
    with_small(residual(), tmp_path, ("stem", (0, 1)), ("left", (0,)))
    plan = plan_of(tmp_path, "operations:\n  - {op: prune, layers: left, keep: 3}\n")
    assert cuts(plan, "stem") == {1: (1, 2, 3)}
    assert cuts(plan, "left") == {0: (1, 2, 3), 1: (1, 2, 3)}
    assert cuts(plan, "head") == {0: (1, 2, 3)}


def test_a_layer_that_is_called_twice(tmp_path: Path) -> None:
    model = network({"Dense": {"units": 4, "name": "stem"}}, {"Dense": {"units": 4, "name": "twice"}}, shape=(4,))
    layer = model["twice"]
    calls = (*layer.calls, Call(args=(TensorRef("twice"),)))
    model = model.with_layer("twice", replace(layer, calls=calls))
    model = as_saved(prove(replace(model, outputs=TensorRef("twice", 1))))
    model = as_saved(changed(model, op="append", layers=[{"Dense": {"units": 2, "name": "head"}}]))
    plan = plan_of(tmp_path, "operations:\n  - {op: prune, layers: twice, channels: [1]}\n", model)
    assert cuts(plan, "stem") == {1: (0, 2, 3)}
    assert cuts(plan, "twice") == {0: (0, 2, 3), 1: (0, 2, 3)}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{op: prune, layers: predictions, fraction: 0.5}", "an output of the model"),
        ("{op: prune, layers: pool1, fraction: 0.5}", "makes no channels"),
        ("{op: prune, layers: [conv1, conv2], channels: [1]}", "those of one layer"),
        ("{op: prune, layers: conv1, channels: [9]}", "no channel 9"),
    ],
)
def test_what_cannot_be_pruned(tmp_path: Path, body: str, reason: str) -> None:
    path = write_recipe(tmp_path, f"operations:\n  - {body}\n")
    with pytest.raises(GraphUnsupported, match=reason):
        api.plan(load_recipe(path))


def test_an_unknown_layer_is_named(tmp_path: Path) -> None:
    model = network(
        {"Dense": {"units": 4, "name": "stem"}},
        {"MultiHeadAttention": {"num_heads": 1, "key_dim": 2, "name": "attention"}},
        shape=(3, 4),
    )
    path = write_recipe(tmp_path, "operations:\n  - {op: prune, layers: stem, fraction: 0.5}\n", model)
    with pytest.raises(GraphUnsupported, match=r"'attention'.*is not known to pass channels on"):
        api.plan(load_recipe(path))


def test_fresh_kernels_have_no_norm(tmp_path: Path) -> None:
    body = """
    operations:
      - {op: replace, layers: conv1, weights: fresh, with: [{Conv2D: {filters: 4, kernel_size: 3, name: new}}]}
      - {op: prune, layers: new, fraction: 0.5}
    """
    with pytest.raises(GraphUnsupported, match="norms are not known"):
        api.plan(load_recipe(write_recipe(tmp_path, body)))


@pytest.mark.parametrize("fields", [{}, {"fraction": 0.5, "keep": 3}, {"fraction": 1.0}, {"channels": []}])
def test_what_is_no_prune(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        operation(op="prune", layers="conv1", **fields)


def test_the_plan_shows_the_cascade(tmp_path: Path) -> None:
    with_small(classifier(), tmp_path, ("conv1", (0, 2)))
    plan = plan_of(tmp_path, "operations:\n  - {op: prune, layers: conv1, fraction: 0.5}\n")
    lines = [" ".join(line.split()) for line in plan_text(plan).splitlines()]
    assert "~ conv1 filters: 2" in lines
    assert "~ conv2 weights: 2 of 4 on axis 2" in lines
