"""Configs and arguments that Keras never wrote: an error of the layer, at once, whatever numbers a stranger puts in them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from surgery.errors import ShapeMismatch
from surgery.model import shapes
from surgery.model.spec import Call, LayerSpec, TensorRef, TensorSpec

HUGE = 10**18


def built(class_name: str, *arguments: Any, shape: tuple[int | None, ...] = (None, 4), **config: Any) -> Any:
    is_operation = bool(arguments) or class_name in ("Pad", "Transpose")
    module = "keras.src.ops.numpy" if is_operation else "keras.layers"
    one = LayerSpec("odd", class_name, config, module=module)
    began = time.process_time()
    try:
        return shapes.build(one, (TensorSpec(shape),), Call(args=(TensorRef("x"), *arguments)))
    finally:
        assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("class_name", "arguments"),
    [
        ("Reshape", [[HUGE] * 100_000]),
        ("ExpandDims", [list(range(100_000))]),
        ("Transpose", [[0, 1] * 100_000]),
        ("Squeeze", [[0] * 100_000]),
        ("Pad", [[[0, 1]] * 100_000]),
        ("Pad", [[["a", "b"]]]),
        ("Pad", [[[0, 10**30]] * 2]),
        ("Sum", [[1] * 100_000]),
        ("Swapaxes", ["a", "b"]),
        ("Concatenate", ["a"]),
    ],
)
def test_operations(class_name: str, arguments: list[Any]) -> None:
    with pytest.raises(ShapeMismatch):
        built(class_name, *arguments, shape=(2, 4))


@pytest.mark.parametrize(
    ("class_name", "shape", "config"),
    [
        ("Reshape", (None, 4), {"target_shape": [HUGE] * 100_000}),
        ("Permute", (None, 4), {"dims": list(range(100))}),
        ("RepeatVector", (None, 4), {"n": 10**30}),
        ("UpSampling2D", (None, 4, 4, 1), {"size": [10**30, 1]}),
        ("ZeroPadding2D", (None, 4, 4, 1), {"padding": [[1, 10**30], [0, 0]]}),
        ("ZeroPadding2D", (None, 4, 4, 1), {"padding": [[1, 1]] * 100_000}),
        ("Conv2D", (None, 4, 4, 1), {"filters": 2, "kernel_size": [0] * 100_000, "strides": [0, 0]}),
        ("Dense", (None, 4), {"units": "many"}),
        ("Dense", (None, 4), {"units": 10**30}),
    ],
)
def test_layers(class_name: str, shape: tuple[int | None, ...], config: dict[str, Any]) -> None:
    with pytest.raises(ShapeMismatch):
        built(class_name, shape=shape, **config)
