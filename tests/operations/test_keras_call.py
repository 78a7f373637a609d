"""Arguments of a layer's call: shown wherever the layer is, kept where another takes its place, set and taken away by `call`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import surgery
from surgery.errors import SurgeryError
from surgery.model.listing import listing
from surgery.reporting.diff_markdown import diff_markdown
from surgery.reporting.diff_text import diff_text
from surgery.reporting.model_text import model_text
from surgery.reporting.plan_markdown import plan_markdown
from surgery.reporting.plan_text import plan_text
from tests.plain_keras import applied, example, outputs, planned, refused

pytestmark = pytest.mark.keras

layers = keras.layers
X = example(64, 4) + 3


def always() -> Any:
    """x -> drop, which always drops -> norm, which never learns -> out."""
    x = keras.Input((4,), name="x")
    dropped = layers.Dropout(0.5, name="drop")(x, training=True)
    normed = layers.BatchNormalization(name="norm")(dropped, training=False)
    return keras.Model(x, layers.Dense(2, name="out")(normed))


def plain(class_name: str = "Functional") -> Any:
    if class_name == "Sequential":
        return keras.Sequential(
            [keras.Input((4,), name="x"), layers.Dropout(0.5, name="drop"), layers.Dense(2, name="out")]
        )
    x = keras.Input((4,), name="x")
    return keras.Model(x, layers.Dense(2, name="out")(layers.Dropout(0.5, name="drop")(x)))


def drops(model: Any) -> bool:
    """Whether a call differs from the next. Keras 3.15 heeds `training` of a layer where that of the model is not given."""
    return not np.array_equal(np.asarray(model(X)), np.asarray(model(X)))


def test_a_layer_of_the_class_inherits_it_and_the_plan_says_so(tmp_path: Path) -> None:
    plan, result = applied(tmp_path, always(), "{op: replace, layers: drop, with: [{Dropout: {rate: 0.25}}]}")
    assert drops(result)
    assert "Dropout(rate=0.25), called with training=true" in plan_text(plan)
    assert "called with training=true" in plan_markdown(plan)
    (edit,) = (edit for edit in plan.to_json()["steps"][0]["edits"] if edit["edit"] == "AddLayer")
    assert edit["calls"] == [{"training": True}]


def test_another_class_inherits_what_it_takes(tmp_path: Path) -> None:
    plan, result = applied(tmp_path, always(), "{op: replace, layers: drop, with: [{GaussianDropout: {rate: 0.25}}]}")
    assert drops(result)
    assert "GaussianDropout(rate=0.25), called with training=true" in plan_text(plan)
    plan, result = applied(tmp_path, always(), "{op: replace, layers: drop, with: [{ReLU: {}}]}")
    assert not drops(result)
    assert "- drop   called with training=true" in plan_text(plan)
    assert "+ re_lu  ReLU()\n" in plan_text(plan)


def test_what_goes_is_told_with_it(tmp_path: Path) -> None:
    """Only the first of several new layers has what the first of the old ones had."""
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Dropout(0.5, name="drop")(layers.Dense(3, name="d")(x), training=True))
    for operation in (
        "{op: replace, layers: [d, drop], with: [{Dense: {units: 3}}, {Dropout: {rate: 0.2}}]}",
        "{op: remove, layers: drop}",
    ):
        plan, result = applied(tmp_path, model, operation)
        assert not drops(result)
        assert "- drop" in (line := next(row for row in plan_text(plan).splitlines() if "called with" in row))
        assert line.endswith("called with training=true")


def test_a_mask_that_hides_the_future_stays(tmp_path: Path) -> None:
    x = keras.Input((5, 4), name="x")
    model = keras.Model(x, layers.MultiHeadAttention(1, 2, name="old")(x, x, use_causal_mask=True))
    new = "{GroupQueryAttention: {head_dim: 2, num_query_heads: 1, num_key_value_heads: 1}}"
    plan, result = applied(tmp_path, model, f"{{op: replace, layers: old, with: [{new}]}}")
    assert "called with use_causal_mask=true" in plan_text(plan)
    one, other = example(1, 5, 4), example(1, 5, 4)
    other[:, 4] += 1  # the last position
    assert np.allclose(outputs(result, one)[0][:, :4], outputs(result, other)[0][:, :4], atol=1e-6)
    _, free = applied(tmp_path, model, "{op: reconfigure, layers: old, call: {use_causal_mask: null}}")
    assert not np.allclose(outputs(free, one)[0][:, :4], outputs(free, other)[0][:, :4], atol=1e-3)


def test_a_new_layer_takes_it_away(tmp_path: Path) -> None:
    new = "{Dropout: {rate: 0.25, call: {training: null}}}"
    plan, result = applied(tmp_path, always(), f"{{op: replace, layers: drop, with: [{new}]}}")
    assert not drops(result)
    assert "+ drop  Dropout(rate=0.25)\n" in plan_text(plan)


@pytest.mark.parametrize("class_name", ["Functional", "Sequential"])
@pytest.mark.parametrize(
    "operation",
    [
        "{op: reconfigure, layers: drop, call: {training: true}}",
        "{op: reconfigure, layers: drop, config: {rate: 0.25}, call: {training: true}}",
        "{op: insert, before: out, layers: [{Dropout: {rate: 0.5, call: {training: true}}}]}",
        "{op: append, layers: [{Dropout: {rate: 0.5, call: {training: true}}}]}",
        "{op: replace, layers: drop, with: [{GaussianNoise: {stddev: 0.5, call: {training: true}}}]}",
    ],
)
def test_it_is_set(tmp_path: Path, operation: str, class_name: str) -> None:
    plan, result = applied(tmp_path, plain(class_name), operation)
    assert drops(result)
    assert "training" in plan_text(plan)


def test_it_is_taken_away_and_the_diff_says_so(tmp_path: Path) -> None:
    model = always()
    plan, result = applied(tmp_path, model, "{op: reconfigure, layers: drop, call: {training: null}}")
    assert not drops(result)
    assert np.allclose(outputs(result, X)[0], outputs(plain_of(model), X)[0], atol=1e-5)
    assert "~ drop  call: {training: null}" in plan_text(plan)
    found = surgery.diff(tmp_path / "model.keras", tmp_path / "out.keras")
    assert [(c.path, v.key, v.old) for c in found.changed for v in c.values] == [("drop", "call", {"training": True})]
    assert "call: {training: true} -> absent" in diff_text(found)
    assert "training" in diff_markdown(found)
    (change,) = found.to_json()["changed"]
    assert change["values"] == [{"key": "call", "old": {"training": True}}]


def plain_of(model: Any) -> Any:
    """The same without the layer that drops."""
    x = keras.Input((4,))
    return keras.Model(x, model.get_layer("out")(model.get_layer("norm")(x, training=False)))


def test_a_new_or_lost_layer_is_told_with_it(tmp_path: Path) -> None:
    applied(tmp_path, always(), "{op: replace, layers: drop, with: [{GaussianDropout: {rate: 0.25}}]}")
    found = surgery.diff(tmp_path / "model.keras", tmp_path / "out.keras")
    text = diff_text(found)
    assert "Dropout, reads x, called with training=true" in text
    assert "GaussianDropout(rate=0.25), reads x, called with training=true" in text
    assert found.to_json()["added"][0]["calls"] == [{"training": True}]


def test_inspect_shows_it(tmp_path: Path) -> None:
    always().save(tmp_path / "model.keras")
    document = listing(surgery.read_model(tmp_path / "model.keras"))
    assert [row.get("calls") for row in document["layers"]] == [None, [{"training": True}], [{"training": False}], None]
    text = model_text(document)
    assert "x, called with training=true" in text
    assert "drop, called with training=false" in text


def test_each_call_by_itself(tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    drop = layers.Dropout(0.5, name="drop")
    model = keras.Model(x, layers.Add(name="sum")([drop(x), drop(x, training=True)]))
    model.save(tmp_path / "model.keras")
    document = listing(surgery.read_model(tmp_path / "model.keras"))
    assert document["layers"][1]["calls"] == [{}, {"training": True}]
    assert "called with nothing and then with training=true" in model_text(document)
    _, result = applied(tmp_path, model, "{op: reconfigure, layers: drop, call: {training: false}}")
    assert not drops(result)


def test_of_a_nested_model(tmp_path: Path) -> None:
    inner = plain()
    inner.name = "inner"
    x = keras.Input((4,), name="first")
    model = keras.Model(x, layers.Dense(1, name="last")(inner(x, training=True)))
    assert drops(model)
    plan, result = applied(tmp_path, model, "{op: reconfigure, layers: inner, call: {training: false}}")
    assert not drops(result)
    assert "~ inner  call: {training: false}" in plan_text(plan)


def test_more_outputs_follow(tmp_path: Path) -> None:
    x = keras.Input((5, 4), name="x")
    model = keras.Model(x, layers.Dense(2, name="out")(layers.MultiHeadAttention(1, 2, name="m")(x, x)))
    plan, result = applied(
        tmp_path,
        model,
        "{op: reconfigure, layers: m, call: {return_attention_scores: true}}",
        "{op: branch, from: out, layers: [{ReLU: {inputs: ['m[0][1]'], name: scores}}]}",
    )
    scores = outputs(result, example(2, 5, 4))[1]
    assert scores.shape == (2, 1, 5, 5)
    assert np.allclose(scores.sum(-1), 1, atol=1e-5)
    assert plan.spec.tensor(plan.spec.refs_out()[1]).shape == (None, 1, 5, 5)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("operation", "code", "what"),
    [
        (
            "{op: reconfigure, layers: out, call: {trainig: true}}",
            "unknown-argument",
            "Dense is called with no argument",
        ),
        ("{op: reconfigure, layers: x, call: {training: true}}", "unknown-argument", "InputLayer is called with no"),
        ("{op: reconfigure, layers: norm, call: {mask: true}}", "invalid-value", "'mask' is a tensor of the call"),
        ("{op: reconfigure, layers: norm, call: {training: 1}}", "wrong-type", "training takes true or false"),
        ("{op: reconfigure, layers: norm, call: {training: false}}", "nothing-to-do", "already so"),
        ("{op: reconfigure, layers: norm}", "missing-key", "reconfigure needs 'config' or 'call'"),
        (
            "{op: append, layers: [{Flatten: {call: {training: true}}}]}",
            "unknown-argument",
            "Flatten is called with no",
        ),
        ("{op: append, layers: [{Dropout: {rate: 0.1, call: true}}]}", "wrong-type", "call takes a map"),
        ("{op: append, layers: [{Dropout: {rate: 0.1, call: {training: 'yes'}}}]}", "wrong-type", "true or false"),
    ],
)
def test_what_no_call_takes(tmp_path: Path, operation: str, code: str, what: str) -> None:
    error = refused(tmp_path, always(), operation)
    assert error.code() == code
    assert what in error.what


def test_two_that_contradict_each_other(tmp_path: Path) -> None:
    once, twice = (f"{{op: reconfigure, layers: norm, call: {{training: {word}}}}}" for word in ("true", "null"))
    with pytest.raises(SurgeryError) as caught:
        planned(tmp_path, always(), once, twice)
    assert caught.value.code() == "contradictory-operations"


def test_what_always_drops_makes_no_claim(tmp_path: Path) -> None:
    operation = "{op: insert, before: out, layers: [{Dropout: {rate: 0.5, call: {training: true}}}]}"
    plan, _ = applied(tmp_path, plain(), operation)
    assert plan.steps[0].operation.claim() is None
