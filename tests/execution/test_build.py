"""What Keras builds from a plan, against the plan and against plain Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery import api
from surgery.execution.commit import apply_to_file
from surgery.execution.variables import keras_layers, stored_variables
from surgery.model.spec import ModelSpec
from surgery.recipe import load_recipe
from tests.networks import classifier, residual
from tests.recipes_text import plan_of, write_recipe

pytestmark = pytest.mark.keras

REHEAD = """
seed: 3
operations:
  - op: replace
    layers: predictions
    with:
      - Dense: {units: 10, activation: softmax, name: digits}
    weights: overlap
  - op: insert
    before: digits
    layers:
      - Dropout: {rate: 0.25, name: head_dropout}
  - op: freeze
    layers: {to: flatten}
"""


def values(model: Any, spec: ModelSpec) -> dict[tuple[str, str], np.ndarray[Any, Any]]:
    return {
        (path, key): np.asarray(value)
        for path, layer in keras_layers(model, spec)
        for key, value in stored_variables(layer).items()
    }


def probe(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("class_name", ["Functional", "Sequential"])
def test_an_identity_recipe_predicts_the_same_bits(tmp_path: Path, class_name: str) -> None:
    plan = plan_of(tmp_path, "operations: []\n", classifier(class_name))
    apply_to_file(plan, tmp_path / "out.keras")
    old, new = (keras.models.load_model(tmp_path / name) for name in ("model.keras", "out.keras"))
    x = probe((4, 8, 8, 1))
    assert np.array_equal(old.predict(x, verbose=0), new.predict(x, verbose=0))
    assert type(new).__name__ == class_name


def test_rehead(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, REHEAD)
    apply_to_file(plan, tmp_path / "out.keras")
    old, new = (keras.models.load_model(tmp_path / name) for name in ("model.keras", "out.keras"))
    kernel, bias = new.get_layer("digits").get_weights()
    old_kernel, old_bias = old.get_layer("predictions").get_weights()
    assert np.array_equal(kernel[:, :5], old_kernel)
    assert np.array_equal(bias[:5], old_bias)
    assert np.abs(kernel[:, 5:]).min() > 0
    assert [layer.name for layer in new.layers if not layer.trainable] == ["conv1", "pool1", "conv2", "flatten"]
    for name in ("conv1", "conv2", "dense"):
        assert all(map(np.array_equal, old.get_layer(name).get_weights(), new.get_layer(name).get_weights()))


def test_the_api_builds_what_the_file_holds(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, REHEAD)
    apply_to_file(plan, tmp_path / "out.keras")
    loaded = keras.models.load_model(tmp_path / "out.keras")
    built = api.apply(plan)
    assert isinstance(built, keras.Model)
    in_memory, in_file = values(built, plan.spec), values(loaded, plan.spec)
    assert in_memory.keys() == in_file.keys()
    assert all(np.array_equal(in_memory[name], in_file[name]) for name in in_memory)


def test_fresh_values_follow_from_the_path_alone(tmp_path: Path) -> None:
    one = api.apply(plan_of(tmp_path, REHEAD)).get_layer("digits").get_weights()[0]
    more = REHEAD + "  - {op: insert, before: conv2, layers: [{Conv2D: {filters: 4, kernel_size: 1, name: extra}}]}\n"
    two = api.apply(plan_of(tmp_path, more)).get_layer("digits").get_weights()[0]
    assert np.array_equal(one, two)


def test_another_seed_gives_other_values(tmp_path: Path) -> None:
    one = api.apply(plan_of(tmp_path, REHEAD)).get_layer("digits").get_weights()[0]
    two = api.apply(plan_of(tmp_path, REHEAD.replace("seed: 3", "seed: 4"))).get_layer("digits").get_weights()[0]
    same = api.apply(plan_of(tmp_path, REHEAD)).get_layer("digits").get_weights()[0]
    assert not np.array_equal(one, two)
    assert np.array_equal(one, same)


def test_a_residual_network_is_rewired(tmp_path: Path) -> None:
    body = """
    operations:
      - {op: insert, after: stem, consumers: sum, layers: [{Activation: {activation: linear, name: identity}}]}
    """
    plan = plan_of(tmp_path, body, residual())
    apply_to_file(plan, tmp_path / "out.keras")
    old, new = (keras.models.load_model(tmp_path / name) for name in ("model.keras", "out.keras"))
    x = probe((4, 4))
    assert np.array_equal(old.predict(x, verbose=0), new.predict(x, verbose=0))
    assert "identity" in [layer.name for layer in new.layers]


def test_the_tutorials_way_does_nothing_and_ours_takes_effect(tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path,
        "operations:\n  - {op: replace, layers: conv2, weights: fresh, with: [{Conv2D: {inherit: true, name: new}}]}\n",
        classifier("Sequential"),
    )
    x = probe((4, 8, 8, 1))
    old = keras.models.load_model(tmp_path / "model.keras")
    before = old.predict(x, verbose=0)
    old.layers[2] = keras.layers.Conv2D(4, 3, padding="same", activation="relu")
    assert np.array_equal(before, old.predict(x, verbose=0))

    new = api.apply(api.plan(load_recipe(recipe)))
    assert not np.array_equal(before, new.predict(x, verbose=0))
    for name in ("conv1", "dense", "predictions"):
        assert all(map(np.array_equal, old.get_layer(name).get_weights(), new.get_layer(name).get_weights()))


def test_what_a_layer_learned_beside_its_weights_is_there(tmp_path: Path) -> None:
    """A vocabulary lies in a file of its own in the archive."""
    text = keras.layers.TextVectorization(max_tokens=20, output_sequence_length=4, name="text")
    text.adapt(["a great big world", "a big deal"])
    inner = keras.Sequential([keras.Input((1,), dtype="string"), text], name="reading")
    first = keras.Input((1,), dtype="string", name="sentence")
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(20, 3, name="words")(inner(first)))
    model = keras.Model(first, keras.layers.Dense(2, name="last")(pooled))
    model.save(tmp_path / "model.keras")
    plan = plan_of(tmp_path, "operations: [{op: rename, layers: {reading/text: split}}]\n")
    built = api.apply(plan)
    sentences = keras.ops.convert_to_tensor([["a world deal"], ["unknown big"]])
    assert np.array_equal(built(sentences), model(sentences))
    found = api.apply_to_file(plan, tmp_path / "out.keras", prove=True)
    assert [(check.layer, check.is_output) for check in found.checks] == [("last", True)]
    assert np.array_equal(keras.models.load_model(tmp_path / "out.keras")(sentences), model(sentences))
