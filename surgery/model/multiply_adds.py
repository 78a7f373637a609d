"""How much a layer computes for one example: the multiplications of its kernels, each with an addition.

A kernel does all of its multiplications at every place of the input where it is laid: at each pixel, each step. What has no
kernel (pooling, activations, normalization, a lookup) is small beside that and counts as nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping

from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorSpec, WeightSpec

LOOKUPS = frozenset({"Embedding", "ReversibleEmbedding"})
"""Classes whose matrix is looked up and not multiplied with."""

PRODUCTS = frozenset({"Dot", "Matmul", "Einsum", "Tensordot", "DotProductAttention"})
"""Layers and operations of `keras.ops` that multiply without a matrix of their own."""


class Uncounted(ValueError):
    """There is no rule, or a size that is known only when examples come."""


def multiply_adds(layer: LayerSpec) -> int | None:
    """Those of one example in all calls of a layer; None where they cannot be counted."""
    if layer.inner is not None:
        inside = multiply_adds_of(layer.inner)
        return None if inside is None else inside * len(layer.calls)
    rule = RULES.get(layer.class_name) if str(layer.module).partition(".")[0] == "keras" else None
    if rule is None:
        return None if _multiplies(layer) else 0
    try:
        return sum(rule(layer, _kernels(layer), call) for call in layer.calls)
    except Uncounted:
        return None


def multiply_adds_of(model: ModelSpec) -> int | None:
    """Those of one example in a model; None where a layer cannot be counted."""
    found = [multiply_adds(layer) for layer in model.layers]
    return None if None in found else sum(number or 0 for number in found)


def _multiplies(layer: LayerSpec) -> bool:
    """Whether a layer without a rule has something to count, or may have."""
    has_matrix = any(len(weight.shape) > 1 for weight in layer.weights) and layer.class_name not in LOOKUPS
    is_product = layer.class_name in PRODUCTS or "Conv" in layer.class_name or "Attention" in layer.class_name
    return has_matrix or is_product or str(layer.module).partition(".")[0] != "keras"


def _kernels(layer: LayerSpec) -> list[WeightSpec]:
    return [weight for weight in layer.weights if weight.name.endswith("kernel")]


Rule = Callable[[LayerSpec, list[WeightSpec], Call], int]


def _size(sizes: Iterable[int | None]) -> int:
    known = list(sizes)
    if None in known:
        raise Uncounted
    return math.prod(size or 0 for size in known)


def _example(tensors: tuple[TensorSpec, ...]) -> int:
    """How many numbers one example has in the first of these tensors."""
    if not tensors:
        raise Uncounted
    return _size(tensors[0].shape[1:])


def _all(kernels: list[WeightSpec]) -> int:
    return sum(kernel.size for kernel in kernels)


def _dense(layer: LayerSpec, kernels: list[WeightSpec], call: Call) -> int:
    return _example(call.inputs) // kernels[0].shape[0] * kernels[0].size


def _einsum(layer: LayerSpec, kernels: list[WeightSpec], call: Call) -> int:
    given, kernel, _ = re.split(",|->", layer.config["equation"].replace("...", ""))
    shared = math.prod(size for letter, size in zip(kernel, kernels[0].shape, strict=True) if letter in given)
    return _example(call.inputs) // shared * kernels[0].size


def _convolution(layer: LayerSpec, kernels: list[WeightSpec], call: Call) -> int:
    return _example(call.outputs) // kernels[-1].shape[-1] * _all(kernels)


def _depthwise(layer: LayerSpec, kernels: list[WeightSpec], call: Call) -> int:
    return _example(call.outputs) // math.prod(kernels[0].shape[-2:]) * kernels[0].size


def _transposed(layer: LayerSpec, kernels: list[WeightSpec], call: Call) -> int:
    return _example(call.inputs) // kernels[0].shape[-1] * kernels[0].size


def _recurrent(layer: LayerSpec, kernels: list[WeightSpec], call: Call) -> int:
    if not call.inputs or len(call.inputs[0].shape) != 3:
        raise Uncounted
    return _size(call.inputs[0].shape[1:2]) * _all(kernels)


def _attention(layer: LayerSpec, kernels: list[WeightSpec], call: Call) -> int:
    """Projections of queries, and of what they look at; and all queries with all of that, twice."""
    if len(call.args) < 2:
        raise Uncounted
    queries, values = (_size(tensor.shape[1:-1]) for tensor in call.inputs[:2])
    heads, key_dim = int(layer.config["num_heads"]), int(layer.config["key_dim"])
    of_values = _all([kernel for kernel in kernels if kernel.key.startswith(("key_dense", "value_dense"))])
    looked = heads * (key_dim + int(layer.config.get("value_dim") or key_dim))
    return queries * (_all(kernels) - of_values) + values * of_values + queries * values * looked


RULES: Mapping[str, Rule] = {
    "Dense": _dense,
    "EinsumDense": _einsum,
    **{f"Conv{rank}D": _convolution for rank in (1, 2, 3)},
    **{f"SeparableConv{rank}D": _convolution for rank in (1, 2)},
    **{f"DepthwiseConv{rank}D": _depthwise for rank in (1, 2)},
    **{f"Conv{rank}DTranspose": _transposed for rank in (1, 2, 3)},
    **dict.fromkeys(("SimpleRNN", "GRU", "LSTM", "RNN", "Bidirectional"), _recurrent),
    "MultiHeadAttention": _attention,
}
