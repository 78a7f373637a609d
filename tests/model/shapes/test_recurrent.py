"""Static rules of recurrent layers, wrappers and attention against Keras."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import keras
import pytest

from surgery.errors import ShapeMismatch
from surgery.model import shapes
from surgery.model.spec import Call, TensorRef, TensorSpec
from tests.model.keras_objects import made
from tests.model.shapes.agreement import (
    assert_agreement,
    built_by_rule,
    by_class,
    cases,
    described,
    layer_spec,
    variables_of,
)
from tests.model.shapes.tensors import IMAGE, POLICIES, SEQUENCE, VECTOR

pytestmark = pytest.mark.keras

KINDS = ("LSTM", "GRU", "SimpleRNN")
RETURNS = ({}, {"return_sequences": True}, {"return_state": True}, {"return_sequences": True, "return_state": True})
MEMORY = (None, 7, 8)

RECURRENT = [
    *(
        case
        for kind, returns in product(KINDS, RETURNS)
        for case in (
            *cases(kind, [[SEQUENCE]], {"units": 3, **returns}, {"units": 3, "use_bias": False, **returns}),
            *cases("Bidirectional", [[SEQUENCE]], {"layer": {kind: {"units": 3, **returns}}}),
        )
    ),
    *(
        case
        for kind in KINDS
        for case in (
            *cases(kind, [[(None, None, 6)], [VECTOR]], {"units": 3}),
            *cases(kind, [[SEQUENCE], [(2, 3, 4)]], {"units": 3, "stateful": True}),
            *cases(kind, [[SEQUENCE]], *({"units": 3, "dtype": policy} for policy in POLICIES)),
            *cases("RNN", [[SEQUENCE]], {"cell": {f"{kind}Cell": {"units": 3}}, "return_sequences": True}),
            *cases("RNN", [[SEQUENCE]], {"cell": {f"{kind}Cell": {"units": 3}}, "return_state": True}),
        )
    ),
    *cases(
        "Bidirectional",
        [[SEQUENCE]],
        *(
            {"layer": {"GRU": {"units": 3, "return_sequences": True}}, "merge_mode": mode}
            for mode in ("sum", "mul", "ave", None)
        ),
    ),
    *cases("GRU", [[SEQUENCE]], {"units": 3, "reset_after": False}),
    *cases(
        "RNN",
        [[SEQUENCE]],
        {"cell": [{"LSTMCell": {"units": 2}}, {"GRUCell": {"units": 3}}, {"LSTMCell": {"units": 4}}]},
        {"cell": [{"LSTMCell": {"units": 2}}, {"GRUCell": {"units": 3}}], "return_state": True},
    ),
    *cases(
        "ConvLSTM2D",
        [[(None, 3, 8, 9, 4)], [(None, 3, None, 9, 4)], [IMAGE]],
        {"filters": 3, "kernel_size": 3, "return_sequences": True},
        {"filters": 3, "kernel_size": 3, "padding": "same", "data_format": "channels_first", "strides": 2},
    ),
    *cases(
        "ConvLSTM1D", [[(None, 3, 8, 9)]], {"filters": 3, "kernel_size": 2, "return_state": True, "use_bias": False}
    ),
    *cases("ConvLSTM3D", [[(None, 3, 8, 9, 4, 3)]], {"filters": 3, "kernel_size": 2}),
]

WRAPPED = [
    *cases("TimeDistributed", [[(None, 3, 8, 8, 3)]], {"layer": {"Conv2D": {"filters": 2, "kernel_size": 3}}}),
    *cases("TimeDistributed", [[SEQUENCE], [VECTOR]], {"layer": {"Dense": {"units": 2}}}),
    *cases(
        "TimeDistributed",
        [[IMAGE]],
        {"layer": {"Flatten": {}}},
        {"layer": {"LSTM": {"units": 2}}},
        {"layer": {"BatchNormalization": {}}},
    ),
]

VARIANTS = (
    {},
    {"value_dim": 5},
    {"output_shape": 7},
    {"output_shape": [3, 4]},
    {"use_bias": False},
    {"use_gate": True},
    {"dropout": 0.1},
)
ATTENTION = [
    *cases(
        "MultiHeadAttention",
        [[SEQUENCE, MEMORY], [SEQUENCE, MEMORY, (None, 7, 9)], [SEQUENCE, MEMORY, (None, 4, 9)]],
        *({"num_heads": 2, "key_dim": 3, **more} for more in VARIANTS),
    ),
    *cases(
        "MultiHeadAttention",
        [[SEQUENCE, MEMORY]],
        *({"num_heads": 2, "key_dim": 3, "dtype": policy} for policy in POLICIES),
    ),
    *cases("MultiHeadAttention", [[IMAGE, IMAGE]], {"num_heads": 2, "key_dim": 3, "attention_axes": [1, 2]}),
    *cases(
        "GroupQueryAttention",
        [[SEQUENCE, (None, 7, 6)], [SEQUENCE, MEMORY]],
        *(
            {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2, **more}
            for more in ({}, {"use_gate": True}, {"use_bias": False})
        ),
    ),
    *cases(
        "Attention",
        [[SEQUENCE, (None, 7, 6)], [SEQUENCE]],
        {},
        {"use_scale": True},
        {"score_mode": "concat", "use_scale": True},
    ),
    *cases("AdditiveAttention", [[SEQUENCE, (None, 7, 6), (None, 7, 6)], [SEQUENCE]], {}, {"use_scale": False}),
]


BY_CLASS = by_class([*RECURRENT, *WRAPPED, *ATTENTION])


@pytest.mark.parametrize("class_name", BY_CLASS)
def test_agrees_with_keras(class_name: str, tmp_path: Path) -> None:
    assert_agreement(BY_CLASS[class_name], tmp_path)


def test_leaves_to_keras_what_no_rule_covers() -> None:
    every = [
        *cases("SpectralNormalization", [[VECTOR]], {"layer": {"Activation": {"activation": "glu"}}}),
        *cases("Activation", [[VECTOR]], {"activation": "glu"}),
        *cases("StringLookup", [[(None, "string")]], {"vocabulary": ["a"]}),
    ]
    assert [built_by_rule(layer_spec(made("layers", case.layer)), case) for case in every] == [None] * 3


@pytest.mark.parametrize("is_keras_2", [False, True])
def test_states_that_a_bidirectional_layer_begins_with(is_keras_2: bool) -> None:
    case = {"Bidirectional": {"layer": {"GRU": {"units": 4, "return_state": True}}}}
    layer = made("layers", case)
    sequence, *states = (keras.KerasTensor(shape) for shape in [(None, 7, 3), (None, 4), (None, 4)])
    outputs = layer(sequence, initial_state=states)
    spec = layer_spec(layer)
    if is_keras_2:
        spec = replace(spec, config={key: value for key, value in spec.config.items() if key != "backward_layer"})
    refs = [TensorRef(f"input_{index}") for index in range(3)]
    call = Call(args=(refs[0],), kwargs={"initial_state": refs[1:]})
    built = shapes.build(spec, tuple(TensorSpec(tuple(t.shape)) for t in (sequence, *states)), call)
    assert built is not None
    assert [tensor.shape for tensor in built.outputs] == [tuple(tensor.shape) for tensor in outputs]
    assert described(built) == variables_of(layer)


def test_attention_needs_positions() -> None:
    (case,) = cases("MultiHeadAttention", [[VECTOR, VECTOR]], {"num_heads": 2, "key_dim": 3})
    with pytest.raises(ShapeMismatch, match="positions"):
        built_by_rule(layer_spec(made("layers", case.layer)), case)
