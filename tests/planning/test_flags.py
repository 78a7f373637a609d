"""Flags of layers that Keras forgets are said in the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from surgery.planning.flags import FORGETFUL
from tests.networks import network
from tests.recipes_text import plan_of

ATTENTION = [
    {"MultiHeadAttention": {"num_heads": 2, "key_dim": 2, "name": "attend"}},
    {"Dense": {"units": 2, "name": "head"}},
]


@pytest.mark.parametrize(("layers", "is_said"), [("attend", True), ("head", False)])
def test_a_frozen_layer_that_trains_once_keras_has_loaded_it(tmp_path: Path, layers: str, is_said: bool) -> None:
    plan = plan_of(tmp_path, f"operations:\n  - {{op: freeze, layers: {layers}}}\n", network(*ATTENTION, shape=(4, 3)))
    assert any("frozen MultiHeadAttention" in note and "'attend'" in note for note in plan.notes) is is_said


@pytest.mark.keras
def test_these_are_the_classes_that_forget() -> None:
    import keras

    from surgery.model.edits import _with_flag

    layers = keras.layers
    made: list[tuple[Any, tuple[int, ...]]] = [
        *((kind(3), (4, 3)) for kind in (layers.Dense, layers.LSTM, layers.GRU, layers.SimpleRNN)),
        *((layers.Bidirectional(kind(3)), (4, 3)) for kind in (layers.LSTM, layers.GRU)),
        (layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]), (4, 3)),
        (layers.TimeDistributed(layers.Dense(3)), (4, 3)),
        (layers.SeparableConv1D(2, 2), (4, 3)),
        (layers.SpectralNormalization(layers.Dense(3)), (3,)),
        (layers.ConvLSTM1D(2, 1), (4, 3, 2)),
        (layers.ConvLSTM2D(2, 1), (4, 3, 3, 2)),
        (layers.ConvLSTM3D(2, 1), (4, 3, 3, 3, 2)),
        (layers.MultiHeadAttention(2, 3), (4, 3)),
        (layers.GroupQueryAttention(4, 2, 1), (4, 3)),
    ]
    forgetful = set()
    for layer, shape in made:
        x = keras.Input(shape)
        model = keras.Model(x, layer(x, x) if "Attention" in type(layer).__name__ else layer(x))
        config = model.get_config()
        config["layers"][1]["config"] = _with_flag({**config["layers"][1]["config"], "trainable": False}, False)
        if keras.Model.from_config(config).trainable_weights:
            forgetful.add(type(layer).__name__)
    assert forgetful == FORGETFUL - {"GroupQueryAttention"}
