"""Keras' order of layers, computed without Keras, against Keras."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surgery.errors import ModelInvalid
from surgery.model.config import from_config
from surgery.model.order import keras_order
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef


def node(name: str, *reads: str, calls: int = 1) -> LayerSpec:
    """A layer that reads others; one that reads nothing is an input."""
    if not reads:
        return LayerSpec(name, "InputLayer", calls=(Call(),))
    return LayerSpec(name, "Add", calls=(Call(([TensorRef(read) for read in reads],)),) * calls)


def order(*layers: LayerSpec, outputs: tuple[str, ...], inputs: tuple[str, ...] = ("x",)) -> tuple[str, ...]:
    return keras_order(layers, [TensorRef(name) for name in inputs], [TensorRef(name) for name in outputs])


def test_sorts_by_the_longest_way_to_an_output() -> None:
    short, long = node("short", "x"), [node("a", "x"), node("b", "a")]
    assert order(node("sum", "short", "b"), short, *long, node("x"), outputs=("sum",)) == (
        "x",
        "a",
        "short",
        "b",
        "sum",
    )


def test_a_tie_goes_to_the_layer_that_the_outputs_reach_first() -> None:
    layers = [node("x"), node("a", "x"), node("b", "x")]
    assert order(*layers, outputs=("b", "a")) == ("x", "b", "a")
    assert order(*layers, outputs=("a", "b")) == ("x", "a", "b")


def test_unused_inputs_come_first_among_the_last() -> None:
    assert order(node("x"), node("y"), node("a", "x"), outputs=("a",), inputs=("x", "y")) == ("x", "y", "a")


def test_leaves_out_what_no_output_needs() -> None:
    assert order(node("x"), node("a", "x"), node("loose", "x"), outputs=("a",)) == ("x", "a")


def test_refuses_a_cycle() -> None:
    with pytest.raises(ModelInvalid, match="cycle"):
        order(node("x"), node("a", "b"), node("b", "a"), outputs=("a",))


def test_refuses_a_tensor_that_is_not_there() -> None:
    with pytest.raises(ModelInvalid, match="layer 'a' reads the tensor gone"):
        order(node("x"), node("a", "gone"), outputs=("a",))


def test_ten_thousand_layers_need_no_recursion() -> None:
    count = 10_000
    chain = [node("x"), *(node(f"l{n}", f"l{n - 1}" if n else "x", "x") for n in range(count))]
    assert order(*reversed(chain), outputs=(f"l{count - 1}",)) == tuple(layer.name for layer in chain)


def spec_of(model: Any) -> ModelSpec:
    import keras

    return from_config(json.loads(json.dumps(keras.saving.serialize_keras_object(model))))


def assert_order_of_keras(spec: ModelSpec, model: Any, random: Random) -> None:
    shuffled = random.sample(spec.layers, len(spec.layers))
    assert keras_order(shuffled, spec.inputs, spec.outputs) == tuple(op.name for op in model.operations)
    for layer in spec.layers:
        if layer.inner and layer.inner.class_name != "Sequential":
            assert_order_of_keras(layer.inner, model.get_layer(layer.name), random)


@pytest.mark.keras
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.integers(0, 2**32))
def test_agrees_with_keras_on_random_graphs(seed: int) -> None:
    from tests.model.keras_graphs import random_model

    random = Random(seed)
    model = random_model(random, size=10)
    assert_order_of_keras(spec_of(model), model, random)


@pytest.mark.keras
@pytest.mark.parametrize(
    "name",
    [
        "VGG16", "ResNet50", "ResNet50V2", "Xception", "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Small",
        "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "NASNetMobile", "ConvNeXtTiny", "InceptionResNetV2",
    ],
)  # fmt: skip
def test_agrees_with_keras_on_applications(name: str) -> None:
    import keras

    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(224, 224, 3))
    assert_order_of_keras(spec_of(model), model, Random(0))
