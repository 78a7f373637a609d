"""Which layer of an old chain gives its weights to which of a new one, and that the plan says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.reporting.plan_markdown import plan_markdown
from surgery.reporting.plan_text import plan_text
from tests.plain_keras import applied, example, outputs

pytestmark = pytest.mark.keras

layers = keras.layers
X = example(5, 4)


def chain(*units: int) -> Any:
    """x -> fc1, fc2, ... -> out."""
    x = tensor = keras.Input((4,), name="x")
    for number, size in enumerate(units, 1):
        tensor = layers.Dense(size, name=f"fc{number}")(tensor)
    return keras.Model(x, layers.Dense(2, name="out")(tensor))


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def sources(plan: Any) -> dict[str, str]:
    return {line.path: line.source for line in plan.ledger if line.variable == "kernel" and not line.is_kept}


def test_two_that_could_be_either_are_paired_in_order_and_told(tmp_path: Path) -> None:
    model = chain(4, 4)
    new = "[{Dense: {units: 4, name: a}}, {Dense: {units: 4, name: b}}]"
    plan, result = applied(tmp_path, model, f"{{op: replace, layers: [fc1, fc2], with: {new}}}")
    assert same(result.get_layer("a"), model.get_layer("fc1"))
    assert same(result.get_layer("b"), model.get_layer("fc2"))
    assert sources(plan) == {"a": "moved from fc1", "b": "moved from fc2"}
    for text in (plan_text(plan), plan_markdown(plan).replace("\\", "")):
        assert "weights: kept where they fit, those of fc1" in text
        assert "weights: kept where they fit, those of fc2" in text
    assert [edit["from"] for edit in plan.to_json()["steps"][0]["edits"] if "from" in edit] == ["fc1", "fc2"]


def test_one_for_two_says_whose_it_has(tmp_path: Path) -> None:
    model = chain(4, 4)
    plan, result = applied(
        tmp_path, model, "{op: replace, layers: [fc1, fc2], with: [{Dense: {units: 4, name: a}}], weights: keep}"
    )
    assert same(result.get_layer("a"), model.get_layer("fc1"))
    assert sources(plan) == {"a": "moved from fc1", "fc2": "dropped"}
    assert "weights: keep, those of fc1" in plan_text(plan)


def test_the_one_with_the_same_shapes_comes_first(tmp_path: Path) -> None:
    model = chain(4, 6)
    plan, result = applied(
        tmp_path, model, "{op: replace, layers: [fc1, fc2], with: [{Dense: {units: 6, name: a}}], weights: keep}"
    )
    assert same(result.get_layer("a"), model.get_layer("fc2"))
    assert sources(plan) == {"a": "moved from fc2", "fc1": "dropped"}


def test_shapes_behind_other_new_layers(tmp_path: Path) -> None:
    model = chain(6, 4)
    new = "[{Input: {shape: [2], name: more}}, {Concatenate: {inputs: [x, more]}}, {Dense: {units: 4, name: a}}]"
    plan, result = applied(tmp_path, model, f"{{op: replace, layers: [fc1, fc2], with: {new}}}")
    assert same(result.get_layer("a"), model.get_layer("fc2"))
    assert sources(plan) == {"a": "moved from fc2", "fc1": "dropped"}


def test_a_new_layer_may_have_the_name_of_one_that_goes(tmp_path: Path) -> None:
    model = chain(4, 4)
    new = "[{Dense: {units: 4, name: fc2}}, {Dropout: {rate: 0.1}}, {Dense: {units: 4, name: b}}]"
    plan, result = applied(tmp_path, model, f"{{op: replace, layers: [fc1, fc2], with: {new}}}")
    assert [layer.name for layer in result.layers] == ["x", "fc2", "dropout", "b", "out"]
    assert same(result.get_layer("fc2"), model.get_layer("fc2"))
    assert same(result.get_layer("b"), model.get_layer("fc1"))
    assert sources(plan) == {"b": "moved from fc1"}
    swapped = model.get_layer("out")(model.get_layer("fc1")(model.get_layer("fc2")(X)))
    assert np.allclose(outputs(result, X)[0], np.asarray(swapped), atol=1e-6)


def test_a_layer_that_fed_itself_and_its_name(tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    s = layers.Dense(4, name="s")
    model = keras.Model(x, layers.Dense(2, name="out")(s(s(x))))
    new = "[{ReLU: {name: r}}, {Dense: {units: 4, name: s}}, {ReLU: {name: q}}]"
    _, result = applied(tmp_path, model, f"{{op: replace, layers: s, with: {new}}}")
    assert same(result.get_layer("s"), s)
    once = lambda v: np.asarray(s(v.clip(0))).clip(0)  # noqa: E731
    assert np.allclose(outputs(result, X)[0], np.asarray(model.get_layer("out")(once(once(X)))), atol=1e-5)
