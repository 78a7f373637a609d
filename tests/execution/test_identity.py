"""A recipe that changes nothing gives the same bits: on random graphs, and on models of keras.applications."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from keras import layers, tree

from surgery import api
from surgery.execution.commit import apply_to_file
from surgery.recipe import load_recipe

pytestmark = pytest.mark.keras

RECIPE = "surgery: 1\nname: identity\nmodel: {path: model.keras}\n"

Draw = Callable[[Any], Any]


def random_graph(draw: Draw) -> keras.Model:
    """A Functional model: branches, merges, shared and nested layers, several inputs and outputs."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(draw(st.integers(0, 999)))
    inputs = [keras.Input((6, 6, 3), name=f"in_{n}") for n in range(draw(st.integers(1, 2)))]
    tensors = list(inputs)
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    for number in range(draw(st.integers(2, 9))):
        one, two = (tensors[draw(st.integers(0, len(tensors) - 1))] for _ in range(2))
        tensors.append(_step(draw(st.sampled_from(STEPS)), number, one, two, shared))
    heads = [tensors[-1], *(t for t in inputs if draw(st.booleans()))]
    outputs = [layers.Dense(2, name=f"out_{n}")(layers.GlobalAveragePooling2D()(t)) for n, t in enumerate(heads)]
    feed = inputs if len(inputs) > 1 else inputs[0]
    match draw(st.sampled_from(["one", "list", "dict"])):
        case "dict":
            return keras.Model(feed, {f"head_{len(outputs) - n}": tensor for n, tensor in enumerate(outputs)})
        case "list":
            return keras.Model(feed, outputs)
        case _:
            return keras.Model(feed, outputs[0])


STEPS = ("conv", "depthwise", "norm", "dropout", "act", "add", "concat", "shared", "nested", "sequential", "op")


def _step(kind: str, number: int, one: Any, two: Any, shared: Any) -> Any:
    match kind:
        case "conv":
            return layers.Conv2D(3, 3, padding="same", activation="relu")(one)
        case "depthwise":
            return layers.DepthwiseConv2D(3, padding="same")(one)
        case "norm":
            return layers.BatchNormalization()(one)
        case "dropout":
            return layers.Dropout(0.5)(one)
        case "act":
            return layers.PReLU()(one)
        case "add":
            return layers.Add()([one, two])
        case "concat":
            return layers.Conv2D(3, 1)(layers.Concatenate()([one, two]))
        case "shared":
            return shared(one)
        case "nested":
            x = keras.Input((6, 6, 3))
            return keras.Model(x, layers.Add()([x, layers.Conv2D(3, 1)(x)]), name=f"nested_{number}")(one)
        case "sequential":
            return keras.Sequential([layers.Conv2D(3, 1), layers.ReLU()], name=f"sequence_{number}")(one)
        case _:
            return keras.ops.relu(one) * 2.0


def same_predictions(folder: Path, model: keras.Model) -> None:
    """Saves, applies the empty recipe, loads, and compares bit for bit."""
    for layer in model.layers:
        # Biases and statistics away from 0 and 1, so that one in another's place shows.
        random = np.random.default_rng(len(layer.name))
        layer.set_weights([w + random.uniform(-0.02, 0.02, w.shape).astype(w.dtype) for w in layer.get_weights()])
    model.save(folder / "model.keras")
    (folder / "recipe.yaml").write_text(RECIPE)
    apply_to_file(api.plan(load_recipe(folder / "recipe.yaml")), folder / "out.keras")
    # A Normalization of Keras 3.15 computes with its new statistics only once it is loaded: compare what was loaded.
    model, again = (keras.models.load_model(folder / name) for name in ("model.keras", "out.keras"))
    x = [np.random.default_rng(n).uniform(size=(2, *t.shape[1:])).astype("float32") for n, t in enumerate(model.inputs)]
    feed = x[0] if len(x) == 1 else x
    old, new = (tree.flatten(one(feed, training=False)) for one in (model, again))
    assert len(old) == len(new)
    for before, after in zip(old, new, strict=True):
        assert np.isfinite(np.asarray(before)).all()
        assert np.array_equal(np.asarray(before), np.asarray(after))
    assert [(layer.name, layer.trainable) for layer in model.layers] == [(la.name, la.trainable) for la in again.layers]


@given(st.data())
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    # Shrinking a graph of Keras layers takes minutes and tells little more.
    phases=[Phase.explicit, Phase.generate],
)
def test_random_graphs(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    same_predictions(tmp_path_factory.mktemp("graph"), random_graph(data.draw))


@pytest.mark.parametrize("name", ["EfficientNetB0", "NASNetMobile"])
def test_applications(tmp_path: Path, name: str) -> None:
    """From file to file; `tests/applications` does more with all of them."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), classes=7)
    same_predictions(tmp_path, model)
