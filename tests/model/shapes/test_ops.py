"""Static rules of bare `keras.ops` nodes against Keras, on nodes as a model file holds them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras import ops

from surgery.model import shapes
from surgery.model.config.reading import from_config
from surgery.model.spec import ModelSpec, TensorSpec

pytestmark = pytest.mark.keras

Nodes = Callable[[Any, Any, Any, Any], list[Any]]


def arithmetic(x: Any, z: Any, i: Any, v: Any) -> list[Any]:
    return [
        *(x + 1, 2.0 * x, x * z[:, None, :], x - x, x / 2, 1 - x, -x, x**2, i + 1, i + i, v + v, x > 0),
        *(ops.maximum(x, 0.0), ops.minimum(x, x), ops.clip(x, 0, 1), ops.divide(x, x), ops.power(x, 3)),
        *(ops.equal(i, 0), ops.not_equal(i, 0), ops.matmul(x, ops.transpose(x, (0, 2, 1)))),
        *(ops.tanh(x), ops.exp(x), ops.sqrt(x), ops.square(x), ops.log(x), ops.log1p(x), ops.rsqrt(x), ops.erf(x)),
        *(ops.abs(x), ops.reciprocal(x), ops.stop_gradient(x)),
        *(ops.logical_and(x > 0, x > 1), ops.logical_or(i > 0, True), ops.logical_xor(x > 0, z[:, None, :] > 0)),
    ]


def activations(x: Any, z: Any, i: Any, v: Any) -> list[Any]:
    simple = [ops.relu, ops.relu6, ops.sigmoid, ops.gelu, ops.leaky_relu, ops.silu, ops.elu, ops.selu, ops.hard_sigmoid]
    return [*(function(x) for function in simple), ops.softmax(x, axis=1), ops.log_softmax(x), ops.softplus(z)]


def shaping(x: Any, z: Any, i: Any, v: Any) -> list[Any]:
    return [
        *(ops.reshape(x, (-1, 30)), ops.reshape(x, (-1, 6)), ops.transpose(x, (0, 2, 1)), ops.transpose(x)),
        *(
            ops.expand_dims(x, -1),
            ops.expand_dims(x, (1, -1)),
            ops.squeeze(ops.expand_dims(z, 1), 1),
            ops.squeeze(x[:, :1, :]),
        ),
        *(x[:, 0], x[:, 1:3], x[..., None], x[:, -1, ::2], x[:, ::-1, :], v[:, 1:]),
        *(ops.concatenate([x, x], axis=-1), ops.concatenate([v, v], axis=1), ops.stack([x, x], axis=1)),
        *(ops.swapaxes(x, 1, 2), ops.flip(x, 1), ops.roll(x, 1, axis=1), ops.pad(x, [[0, 0], [1, 2], [0, 0]])),
        *(ops.cast(i, "float32"), ops.cast(x, "float16")),
    ]


def reductions(x: Any, z: Any, i: Any, v: Any) -> list[Any]:
    return [
        *(ops.mean(x, axis=1), ops.sum(x, axis=[1, 2], keepdims=True), ops.max(x, axis=-1), ops.min(x)),
        *(ops.std(x, axis=1), ops.var(x, axis=1, keepdims=True), ops.prod(x, axis=1), ops.logsumexp(x, axis=-1)),
        *(ops.argmax(x, axis=-1), ops.mean(v, axis=1)),
        *(ops.any(x > 0, axis=-1), ops.all(i > 0, axis=1, keepdims=True), ops.any(x)),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("nodes", [arithmetic, activations, shaping, reductions])
def test_agrees_with_keras(nodes: Nodes, dtype: str) -> None:
    model, stated = model_of(nodes, dtype)
    for layer in model.layers:
        (call,) = layer.calls
        built = shapes.build(layer, tuple(stated[ref.layer] for ref in call.refs()), call)
        assert built is not None, f"no rule for {layer.class_name}"
        assert built.output == stated[layer.name], f"{layer.class_name} {call}"


def model_of(nodes: Nodes, dtype: str) -> tuple[ModelSpec, dict[str, TensorSpec]]:
    """The model of these nodes as its config has it, and what each node gives according to Keras."""
    inputs = [
        keras.Input((5, 6), dtype=dtype, name="x"),
        keras.Input((6,), dtype=dtype, name="z"),
        keras.Input((4,), dtype="int32", name="i"),
        keras.Input((None, 3), dtype=dtype, name="v"),
    ]
    model = keras.Model(inputs, nodes(*inputs))
    outputs = {operation.name: operation.output for operation in model.operations}
    stated = {name: TensorSpec(tuple(tensor.shape), tensor.dtype) for name, tensor in outputs.items()}
    return from_config(json.loads(model.to_json())), stated


def test_leaves_to_keras_what_no_rule_covers() -> None:
    model, stated = model_of(lambda x, z, i, v: [ops.where(x > 0, x, 0.0)], "float32")
    (where,) = (layer for layer in model.layers if layer.class_name == "Where")
    call = where.calls[0]
    assert shapes.build(where, tuple(stated[ref.layer] for ref in call.refs()), call) is None
