"""Random Keras models for agreement tests: every tensor has the same shape, so that any wiring is possible."""

from __future__ import annotations

from random import Random
from typing import Any

import keras
import numpy as np
from keras import layers, ops

WIDTH = 3


def random_model(random: Random, depth: int = 2, size: int = 8, name: str = "outer") -> Any:
    """A Functional model with shared layers, nested models, bare operations, and inputs that nothing reads."""
    inputs = [keras.Input((WIDTH,), name=f"{name}_in{n}") for n in range(random.randint(1, 3))]
    tensors = list(inputs)
    made: list[Any] = []
    for step in range(random.randint(1, size)):
        tensors.append(_step(random, tensors, made, depth, f"{name}_{step}"))
    ends = [random.choice(tensors[len(inputs) :]) for _ in range(random.randint(1, 3))]
    return keras.Model(_structure(random, inputs, True), _structure(random, ends, False), name=name)


def _step(random: Random, tensors: list[Any], made: list[Any], depth: int, name: str) -> Any:
    source = random.choice(tensors[-4:])
    kind = random.choice(
        ["dense", "dense", "dense", "shared", "shared", "add", "op", "nested", "sequential", "weightless"]
    )
    if kind == "shared" and made:
        return _call(random, random.choice(made), source)
    if kind == "add":
        return layers.Add(name=f"add_{name}")([source, random.choice(tensors)])
    if kind == "op":
        return random.choice([ops.add, ops.multiply])(source, random.choice([random.choice(tensors), 0.5]))
    if kind == "weightless":
        return layers.LayerNormalization(name=f"norm_{name}")(source)
    layer = _layer(random, kind, depth, name)
    made.append(layer)
    return _call(random, layer, source)


def _layer(random: Random, kind: str, depth: int, name: str) -> Any:
    if kind == "nested" and depth:
        return random_model(random, depth - 1, 3, f"model_{name}")
    if kind == "sequential":
        chain = [layers.Dense(WIDTH, name=f"chain{n}_{name}") for n in range(random.randint(1, 2))]
        return keras.Sequential([keras.Input((WIDTH,)), *chain], name=f"seq_{name}")
    return layers.Dense(WIDTH, name=f"{random.choice('zyxa')}_{name}")


def _call(random: Random, layer: Any, source: Any) -> Any:
    if isinstance(layer, keras.Model) and not isinstance(layer, keras.Sequential):
        result = layer(keras.tree.map_structure(lambda _: source, layer._inputs_struct))
        return random.choice(keras.tree.flatten(result))
    return layer(source)


def _structure(random: Random, tensors: list[Any], is_input: bool) -> Any:
    kind = random.choice(["one", "list", "dict"])
    if kind == "one" and len(tensors) == 1:
        return tensors[0]
    if kind == "dict":
        keys = [t.name if is_input else f"{random.choice('cab')}{n}" for n, t in enumerate(tensors)]
        return dict(zip(keys, tensors, strict=True))
    return tensors


def inputs_for(model: Any, seed: int = 0) -> Any:
    """Numbers for every input of a model."""
    generator = np.random.default_rng(seed)
    inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model._inputs_struct
    return keras.tree.map_structure(
        lambda tensor: generator.normal(size=(2, *tensor.shape[1:])).astype("float32"), inputs
    )


def randomize(model: Any, seed: int = 0) -> None:
    """Other values in every variable, so that no two layers have the same."""
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.dtype == "float32":
            variable.assign(generator.uniform(0.1, 0.5, size=variable.shape).astype("float32"))


def flat_layers(model: Any, prefix: str = "") -> dict[str, Any]:
    """Every layer of a model by its path, those of nested models too."""
    found: dict[str, Any] = {}
    for layer in model.layers:
        found[prefix + layer.name] = layer
        if isinstance(layer, keras.Model):
            found |= flat_layers(layer, f"{prefix}{layer.name}/")
    return found


def weights_by_path(model: Any) -> dict[tuple[str, int], Any]:
    """The value of every weight of every layer that is no model."""
    return {
        (path, index): keras.ops.convert_to_numpy(weight)
        for path, layer in flat_layers(model).items()
        if not isinstance(layer, keras.Model)
        for index, weight in enumerate(layer.weights)
    }


def assert_same(first: Any, second: Any) -> None:
    """The same layers in the same order, the same weights, the same predictions."""
    assert list(flat_layers(first)) == list(flat_layers(second))
    old, new = weights_by_path(first), weights_by_path(second)
    assert list(old) == list(new)
    for key, value in old.items():
        np.testing.assert_array_equal(value, new[key], str(key))
    data = inputs_for(first)
    expected, got = first(data, training=False), second(data, training=False)
    for one, other in zip(keras.tree.flatten(expected), keras.tree.flatten(got), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(other))
