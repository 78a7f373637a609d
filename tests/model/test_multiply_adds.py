"""How much layers compute, against what one counts by hand."""

from __future__ import annotations

from typing import Any

import pytest

from surgery.model.multiply_adds import multiply_adds, multiply_adds_of
from tests.networks import classifier, network, residual


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        ({"Dense": {"units": 5}}, (3,), 3 * 5),
        ({"Dense": {"units": 5}}, (7, 3), 7 * 3 * 5),
        ({"Conv2D": {"filters": 5, "kernel_size": 3}}, (8, 8, 2), 6 * 6 * 9 * 2 * 5),
        ({"Conv2D": {"filters": 4, "kernel_size": 3, "groups": 2, "strides": 2}}, (9, 9, 2), 4 * 4 * 9 * 1 * 4),
        ({"DepthwiseConv2D": {"kernel_size": 3, "depth_multiplier": 2}}, (8, 8, 2), 6 * 6 * 9 * 4),
        ({"SeparableConv2D": {"filters": 5, "kernel_size": 3}}, (8, 8, 2), 6 * 6 * (9 * 2 + 2 * 5)),
        ({"Conv1DTranspose": {"filters": 5, "kernel_size": 3, "strides": 2}}, (7, 8), 7 * 3 * 5 * 8),
        ({"EinsumDense": {"equation": "abc,cde->abde", "output_shape": [None, 2, 3]}}, (15, 5), 15 * 5 * 6),
        ({"LSTM": {"units": 4}}, (7, 3), 7 * (3 * 16 + 4 * 16)),
        ({"GRU": {"units": 4}}, (7, 3), 7 * (3 * 12 + 4 * 12)),
        ({"MaxPooling2D": {}}, (8, 8, 2), 0),
        ({"BatchNormalization": {}}, (8, 8, 2), 0),
        ({"ConvLSTM1D": {"filters": 2, "kernel_size": 3}}, (7, 5, 3), None),
        ({"Dense": {"units": 5}}, (None, 3), None),
    ],
)
def test_a_layer_is_counted_as_by_hand(layer: dict[str, Any], shape: tuple[int | None, ...], expected: int) -> None:
    assert multiply_adds(network(layer, shape=shape).layers[-1]) == expected


def test_attention_projects_and_compares() -> None:
    model = network({"MultiHeadAttention": {"num_heads": 2, "key_dim": 8, "inputs": ["image", "image"]}}, shape=(7, 16))
    assert multiply_adds(model.layers[-1]) == 4 * 7 * 16 * 16 + 2 * 7 * 7 * 16


def test_a_model_is_the_sum_of_its_layers() -> None:
    assert multiply_adds_of(residual()) == 4 * 4 + 4 * 4 + 4 * 2
    assert multiply_adds_of(classifier()) == 36 * 9 * 4 + 9 * 9 * 4 * 4 + 36 * 6 + 6 * 5
