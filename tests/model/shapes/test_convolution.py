"""Static rules of convolutions and pooling against Keras."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surgery.errors import ShapeMismatch
from surgery.model.shapes import build
from surgery.model.spec import Call
from tests.model.keras_objects import made
from tests.model.shapes.agreement import Case, assert_agreement, built_by_rule, by_class, cases, layer_spec, refuses
from tests.model.shapes.tensors import BY_RANK, IMAGE, SEQUENCE, TINY, UNSIZED, VECTOR, VOLUME

pytestmark = pytest.mark.keras

FORMS = [
    {"padding": padding, "data_format": data_format, **steps}
    for padding, data_format, steps in product(
        ("valid", "same"),
        ("channels_last", "channels_first"),
        ({}, {"strides": 2}, {"dilation_rate": 2}),
    )
]
POOLING_FORMS = [form for form in FORMS if "dilation_rate" not in form]
IMAGES = [[IMAGE], [UNSIZED], [TINY], [VECTOR], [VOLUME]]


def kernels(**more: Any) -> list[dict[str, Any]]:
    return [{"kernel_size": [3, 2], **form, **more} for form in FORMS]


CASES = [
    *cases("Conv2D", IMAGES, *kernels(filters=6)),
    *cases("Conv2D", [[IMAGE]], *({"filters": 6, "kernel_size": 3, "groups": groups} for groups in (2, 3))),
    *cases("Conv2D", [[(None, 8, 8, None)]], {"filters": 2, "kernel_size": 3}),
    *cases("Conv2DTranspose", IMAGES[:3], *kernels(filters=5)),
    *cases(
        "Conv2DTranspose",
        [[IMAGE]],
        {"filters": 5, "kernel_size": 3, "strides": 2, "output_padding": 1},
        {"filters": 5, "kernel_size": 2, "strides": 3, "output_padding": [2, 1], "padding": "same"},
    ),
    *cases("DepthwiseConv2D", IMAGES[:3], *({"kernel_size": 3, "depth_multiplier": 2, **form} for form in FORMS)),
    *cases("SeparableConv2D", IMAGES[:3], *({"filters": 5, "kernel_size": 3, **form} for form in FORMS)),
    *cases("Conv1D", [[SEQUENCE]], *({"filters": 5, "kernel_size": size, "padding": "causal"} for size in (3, 9))),
    *cases("Conv1D", [[SEQUENCE]], {"filters": 5, "kernel_size": 9}),
    *(
        case
        for form in FORMS
        for name, tensor in (("Conv1D", SEQUENCE), ("Conv1DTranspose", SEQUENCE), ("SeparableConv1D", SEQUENCE))
        for case in cases(name, [[tensor]], {"filters": 5, "kernel_size": 3, "use_bias": False, **form})
    ),
    *(
        case
        for form in FORMS
        for name in ("Conv3D", "Conv3DTranspose")
        for case in cases(name, [[VOLUME]], {"filters": 3, "kernel_size": 2, **form})
    ),
    *cases("DepthwiseConv1D", [[SEQUENCE]], *({"kernel_size": 3, **form} for form in FORMS)),
    *(
        case
        for kind, rank in product(("Average", "Max"), (1, 2, 3))
        for case in cases(
            f"{kind}Pooling{rank}D", [[BY_RANK[rank]], [VECTOR]], *({"pool_size": 2, **form} for form in POOLING_FORMS)
        )
    ),
    *cases("MaxPooling2D", [[IMAGE], [TINY]], {"pool_size": [3, 2]}, {"pool_size": 3, "strides": [2, 1]}),
    *(
        case
        for kind, rank, data_format in product(("Average", "Max"), (1, 2, 3), ("channels_last", "channels_first"))
        for case in (
            *cases(f"Global{kind}Pooling{rank}D", [[BY_RANK[rank]]], {"data_format": data_format}),
            *cases(f"Global{kind}Pooling{rank}D", [[BY_RANK[rank]]], {"data_format": data_format, "keepdims": True}),
            *cases(f"Adaptive{kind}Pooling{rank}D", [[BY_RANK[rank]]], {"data_format": data_format, "output_size": 2}),
        )
    ),
]


BY_CLASS = by_class(CASES)


@pytest.mark.parametrize("class_name", BY_CLASS)
def test_agrees_with_keras(class_name: str, tmp_path: Path) -> None:
    assert_agreement(BY_CLASS[class_name], tmp_path)


sizes = st.integers(1, 5)
steps = st.one_of(
    st.fixed_dictionaries({"strides": st.tuples(sizes, sizes)}),
    st.fixed_dictionaries({"dilation_rate": st.tuples(st.integers(1, 3), st.integers(1, 3))}),
)


@given(
    size=st.tuples(st.integers(1, 12), st.one_of(st.none(), st.integers(1, 12))),
    window=st.tuples(sizes, sizes),
    step=steps,
    padding=st.sampled_from(["valid", "same"]),
    class_name=st.sampled_from(["Conv2D", "Conv2DTranspose"]),
)
def test_any_window_gives_the_shape_that_keras_computes(
    size: Any, window: Any, step: Any, padding: str, class_name: str
) -> None:
    layer = getattr(keras.layers, class_name)(3, window, padding=padding, **step)
    case = Case({class_name: {}}, ((None, *size, 2),))
    spec = layer_spec(layer)
    try:
        shape = tuple(layer.compute_output_shape((None, *size, 2)))
    except ValueError:
        shape = None
    if shape is None:
        assert refuses(spec, case)
        return
    built = build(spec, case.specs, Call())
    assert built is not None
    assert built.output.shape == shape


@pytest.mark.parametrize(
    ("class_name", "config"),
    [
        ("Conv1D", {"strides": 2, "dilation_rate": 2}),
        ("Conv2D", {"strides": [1, 2], "dilation_rate": [2, 1]}),
        ("Conv3D", {"strides": 2, "dilation_rate": 3}),
        ("Conv2DTranspose", {"strides": 2, "dilation_rate": 2}),
        ("Conv2D", {"groups": 2}),
    ],
)
def test_arguments_that_keras_does_not_take_together(class_name: str, config: dict[str, Any]) -> None:
    arguments = {"filters": 3, "kernel_size": 2}
    with pytest.raises(ValueError, match=r"strides|divisible"):
        made("layers", {class_name: {**arguments, **config}})
    spec = layer_spec(made("layers", {class_name: arguments}))
    shape = (None, *(8,) * int(class_name.removesuffix("Transpose")[-2]), 4)
    case = Case({class_name: {}}, (shape,))
    with pytest.raises(ShapeMismatch):
        built_by_rule(replace(spec, config={**spec.config, **config}), case)
