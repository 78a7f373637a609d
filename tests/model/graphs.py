"""Small models, built by hand, and random ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef, TensorSpec


def call(*inputs: str | TensorRef) -> Call:
    refs = [TensorRef(name) if isinstance(name, str) else name for name in inputs]
    return Call(args=(refs[0],) if len(refs) == 1 else (refs,))


def layer(
    name: str, class_name: str, *inputs: str | TensorRef, inner: ModelSpec | None = None, **config: Any
) -> LayerSpec:
    """A layer with one call; without inputs an InputLayer's call."""
    calls = (call(*inputs),) if inputs else (Call(outputs=(TensorSpec((None, 8)),)),)
    return LayerSpec(name, class_name, config, calls=calls, inner=inner)


def model(name: str, *layers: LayerSpec, class_name: str = "Functional") -> ModelSpec:
    return ModelSpec(class_name, name, layers, TensorRef(layers[0].name), TensorRef(layers[-1].name))


def operation(name: str, *inputs: str) -> LayerSpec:
    """A bare operation of `keras.ops`."""
    return LayerSpec(name, "Add", module="keras.src.ops.numpy", calls=(call(*inputs),))


GLOROT = {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {"seed": 7}, "registered_name": None}


def encoder() -> ModelSpec:
    return model(
        "encoder",
        layer("image", "InputLayer"),
        layer("conv1", "Conv2D", "image", activation="relu", kernel_size=[3, 3]),
        layer("norm", "BatchNormalization", "conv1", momentum=0.99),
        layer("conv2", "Conv2D", "norm", activation="linear", kernel_size=[1, 1]),
    )


def classifier() -> ModelSpec:
    """x -> encoder -> (left, right) -> ops add -> logits -> probabilities; `encoder` is a nested model."""
    return model(
        "classifier",
        layer("x", "InputLayer"),
        layer("encoder", "Functional", "x", inner=encoder()),
        layer("left", "Dense", "encoder", activation="relu", units=4, kernel_initializer=GLOROT),
        layer("right", "Dense", "encoder", activation="tanh", units=4),
        operation("add", "left", "right"),
        layer("logits", "Dense", "add", activation="linear", units=2, trainable=False),
        layer("probabilities", "Softmax", "logits"),
    )


CLASSES = ["Dense", "Conv2D", "Dropout", "Add"]
ACTIVATIONS = ["relu", "linear", "tanh"]


@st.composite
def random_models(draw: st.DrawFn, depth: int = 1, name: str = "model") -> ModelSpec:
    """A Functional model of up to 9 layers, some of them nested models (up to `depth` deep) or bare operations."""
    layers = [layer("l0", "InputLayer")]
    for number in range(1, draw(st.integers(2, 9))):
        feeders = draw(st.lists(st.sampled_from([old.name for old in layers]), min_size=1, max_size=2, unique=True))
        layers.append(draw(_random_layer(f"l{number}", feeders, depth)))
    return model(name, *layers)


@st.composite
def _random_layer(draw: st.DrawFn, name: str, feeders: list[str], depth: int) -> LayerSpec:
    kind = draw(st.sampled_from(["layer"] * 6 + ["operation"] + ["model"] * (depth > 0)))
    if kind == "operation":
        return operation(name, *feeders)
    if kind == "model":
        return layer(name, "Functional", *feeders, inner=draw(random_models(depth - 1, name)))
    class_name = draw(st.sampled_from(CLASSES))
    return layer(name, class_name, *feeders, activation=draw(st.sampled_from(ACTIVATIONS)))
