"""Ranges and indices mean the order of the source, whatever Keras makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.model.spec import ModelSpec
from tests.networks import as_saved, changed, network
from tests.recipes_text import plan_of

BRANCHES = 6
SOURCE = ("image", "stem", *(f"a{n}" for n in range(BRANCHES)), *(f"b{n}" for n in range(BRANCHES)), "all", "head")


def branches() -> ModelSpec:
    """image -> stem -> a0..a5 -> b0..b5 -> all -> head."""
    model = network({"Dense": {"units": 4, "name": "stem"}}, shape=(4,))
    for number in range(BRANCHES):
        pair = [{"Dense": {"units": 3, "name": f"{kind}{number}"}} for kind in "ab"]
        model = changed(model, op="branch", **{"from": "stem", "layers": pair})
    ends = [f"b{number}" for number in range(BRANCHES)]
    model = changed(model, op="append", layers=[{"Concatenate": {"name": "all", "inputs": ends}}], to="b0")
    model = changed(model, op="append", layers=[{"Dense": {"units": 2, "name": "head"}}], to="all")
    return as_saved(changed(model, op="truncate", after="head"))


def frozen(folder: Path, others: str, layers: str) -> tuple[str, ...]:
    """What `freeze` picks beside other operations."""
    body = f"operations:\n{others}  - {{op: freeze, layers: {layers}, optional: true}}\n"
    plan = plan_of(folder, body, branches())
    return plan.steps[-1].layers


def test_the_order_of_the_source_is_keras_own() -> None:
    assert tuple(layer.name for layer in branches().layers) == SOURCE


@pytest.mark.parametrize(
    ("others", "layers", "expected"),
    [
        ("", "{to: a5}", SOURCE[:8]),
        ("  - {op: insert, after: a5, layers: [{Dropout: {rate: 0.1, name: new}}]}\n", "{to: a5}", SOURCE[:8]),
        ("  - {op: insert, after: a5, layers: [{Dropout: {rate: 0.1}}, {ReLU: {}}]}\n", "{to: a5}", SOURCE[:8]),
        ("  - {op: insert, before: a5, layers: [{ReLU: {name: new}}]}\n", "{to: a5}", (*SOURCE[:7], "new", "a5")),
        ("  - {op: insert, after: b0, layers: [{ReLU: {}}]}\n", "{from: a4, to: b1}", ("a4", "a5", "b0", "b1")),
        ("  - {op: branch, from: stem, layers: [{Dense: {units: 2, name: new}}]}\n", "{to: a5}", SOURCE[:8]),
        ("  - {op: branch, from: a0, layers: [{Dense: {units: 2, name: new}}]}\n", "{last: 2}", ("head", "new")),
        ("  - {op: replace, layers: head, with: [{Dense: {units: 5, name: new}}]}\n", "{last: 1}", ("new",)),
        (
            "  - {op: replace, layers: a1, with: [{Dense: {units: 5, name: one}}, {Dense: {units: 3, name: two}}]}\n",
            "{from: a0, to: a2}",
            ("a0", "one", "two", "a2"),
        ),
        ("  - {op: rename, layers: {a1: z, b1: y}}\n", "{from: a0, to: a2}", ("a0", "z", "a2")),
        ("  - {op: remove, layers: a1}\n  - {op: reinitialize, layers: b1}\n", "2", ("a0",)),
        ("  - {op: insert, after: a5, layers: [{ReLU: {}}]}\n", "[7, -1]", ("a5", "head")),
    ],
)
def test_what_a_range_means_beside_other_operations(
    tmp_path: Path, others: str, layers: str, expected: tuple[str, ...]
) -> None:
    assert frozen(tmp_path, others, layers) == expected


def test_stages_mean_the_same_order(tmp_path: Path) -> None:
    body = """
    operations:
      - {op: insert, after: a5, layers: [{Dropout: {rate: 0.1}}]}
    training:
      data: {train: {npz: data.npz, x: x, y: y}, batch_size: 8}
      stages:
        - name: one
          operations: [{op: freeze, layers: {to: a5}}]
          epochs: 1
          optimizer: {SGD: {learning_rate: 0.1}}
          loss: mse
    """
    (tmp_path / "data.npz").touch()
    assert plan_of(tmp_path, body, branches()).stages[0].steps[0].layers == SOURCE[:8]
