"""What a small network computes, in NumPy alone: an opinion about channels that shares no code with ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from surgery.model.spec import LayerSpec, ModelSpec, TensorRef

Array = np.ndarray[Any, Any]


def forward(model: ModelSpec, values: Mapping[tuple[str, str], Array], x: Array) -> Array:
    """The output of a model of one input and one output."""
    tensors: dict[TensorRef, Array] = {}
    waiting = [(layer, index) for layer in model.layers for index in range(len(layer.calls))]
    while waiting:
        layer, index = waiting.pop(0)
        refs = layer.calls[index].refs()
        if any(ref not in tensors for ref in refs):
            waiting.append((layer, index))
            continue
        weights = [values[layer.name, weight.key] for weight in layer.weights]
        inputs = [tensors[ref] for ref in refs] or [x]
        tensors[TensorRef(layer.name, index)] = _apply(layer, inputs, weights)
    return tensors[model.outputs]


def _apply(layer: LayerSpec, inputs: list[Array], weights: list[Array]) -> Array:
    x = inputs[0]
    match layer.class_name:
        case "InputLayer" | "Dropout":
            return x
        case "Dense":
            return np.asarray(x @ weights[0] + weights[1])
        case "ReLU":
            return np.maximum(x, 0)
        case "Add":
            return np.asarray(sum(inputs[1:], x))
        case "Multiply":
            return np.asarray(np.prod(inputs, axis=0))
        case "Concatenate":
            return np.concatenate(inputs, axis=layer.config["axis"])
        case "BatchNormalization":
            gamma, beta, mean, variance = weights
            return (x - mean) / np.sqrt(variance + layer.config["epsilon"]) * gamma + beta
        case "DepthwiseConv1D":
            kernel, bias = weights
            return np.asarray(np.einsum("btc,cm->btcm", x, kernel[0]).reshape(*x.shape[:2], -1) + bias)
        case "Flatten":
            return x.reshape(len(x), -1)
        case "Reshape":
            return x.reshape(len(x), *layer.config["target_shape"])
        case "Permute":
            return np.transpose(x, (0, *layer.config["dims"]))
        case other:
            raise NotImplementedError(other)
