"""A new layer gets as many tensors as it takes, in the form in which it takes them; or the plan says what is amiss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.errors import GraphUnsupported
from surgery.model import catalogue
from surgery.model.calling import LISTS, SEPARATE
from tests.plain_keras import applied, example, outputs, refused

pytestmark = pytest.mark.keras

layers = keras.layers
WORDS = (5, 4)


def merging() -> Any:
    """x -> a, b -> add -> out."""
    x = keras.Input((4,), name="x")
    both = [layers.Dense(4, name="a")(x), layers.Dense(4, name="b")(x)]
    return keras.Model(x, layers.Dense(2, name="out")(layers.Add(name="add")(both)))


def attending(layer: Any, keywords: bool = False) -> Any:
    """One sequence attends to another."""
    x, y = keras.Input(WORDS, name="x"), keras.Input(WORDS, name="y")
    separate = isinstance(layer, layers.MultiHeadAttention)
    called = layer(query=x, value=y, key=y) if keywords else layer(x, y) if separate else layer([x, y])
    return keras.Model([x, y], layers.Dense(2, name="out")(called))


def coding(bidirectional: bool = False) -> Any:
    """An encoder whose states are those that a decoder begins with."""
    x = keras.Input(WORDS, name="x")
    encoder, decoder = layers.LSTM(3, return_state=True), layers.LSTM(3, return_sequences=True)
    if bidirectional:
        encoder, decoder = layers.Bidirectional(encoder), layers.Bidirectional(decoder)
    encoder.name, decoder.name = "encoder", "decoder"
    _, *states = encoder(x)
    return keras.Model(x, layers.Dense(2, name="out")(decoder(x, initial_state=states)))


@pytest.mark.parametrize(
    "new", ["ReLU: {}", "Dense: {units: 3}", "Dropout: {rate: 0.5}", "LSTM: {units: 2}", "Identity: {}"]
)
@pytest.mark.parametrize("old", ["add", "[add, out]"])
def test_a_layer_of_one_input_cannot_stand_for_one_of_several(tmp_path: Path, old: str, new: str) -> None:
    error = refused(tmp_path, merging(), f"{{op: replace, layers: {old}, with: [{{{new}}}]}}")
    assert isinstance(error, GraphUnsupported)
    assert f"{new.partition(':')[0]} takes one input, and gets 2: 'a', 'b'" in error.what
    assert error.fix == "put before it: - Concatenate: {}"


def test_the_fix_works(tmp_path: Path) -> None:
    model = merging()
    plan, result = applied(
        tmp_path, model, "{op: replace, layers: [add, out], with: [{Concatenate: {}}, {Dense: {units: 3, name: new}}]}"
    )
    x = example(3, 4)
    kernel, bias = result.get_layer("new").get_weights()
    both = np.concatenate(outputs(keras.Model(model.input, [model.get_layer(n).output for n in "ab"]), x), 1)
    assert np.allclose(outputs(result, x)[0], both @ kernel + bias, atol=1e-6)
    assert plan.spec.outputs.layer == "new"


@pytest.mark.parametrize("new", ["Add: {}", "Concatenate: {}", "Subtract: {}", "Dot: {axes: 1}", "Attention: {}"])
@pytest.mark.parametrize(
    "operation",
    [
        "{op: replace, layers: a, with: [NEW]}",
        "{op: append, layers: [NEW]}",
        "{op: append, layers: [{Dense: {units: 3}}, NEW]}",
        "{op: insert, before: out, layers: [NEW]}",
        "{op: insert, after: add, layers: [NEW]}",
        "{op: branch, from: a, layers: [NEW]}",
    ],
)
def test_a_layer_of_several_inputs_is_not_given_one(tmp_path: Path, operation: str, new: str) -> None:
    error = refused(tmp_path, merging(), operation.replace("NEW", f"{{{new}}}"))
    assert isinstance(error, GraphUnsupported)
    assert "and gets 1" in error.what
    assert "inputs" in error.fix  # type: ignore[operator]


@pytest.mark.parametrize("new", ["LSTM: {units: 2, inputs: [a, b]}", "Dense: {units: 2, inputs: [a, b]}"])
def test_named_inputs_are_counted_too(tmp_path: Path, new: str) -> None:
    error = refused(tmp_path, merging(), f"{{op: append, layers: [{{{new}}}]}}")
    assert "takes one input, and gets 2: 'a', 'b'" in error.what


OTHERS = {
    "Add: {}": lambda x, y: x + y,
    "Subtract: {}": lambda x, y: x - y,
    "Attention: {}": lambda x, y: np.asarray(layers.Attention()([x, y])),
}


@pytest.mark.parametrize("new", OTHERS)
def test_arguments_become_a_list(tmp_path: Path, new: str) -> None:
    old = attending(layers.MultiHeadAttention(1, 2, name="old"))
    _, result = applied(tmp_path, old, f"{{op: replace, layers: old, with: [{{{new}}}]}}")
    x, y = example(2, *WORDS), example(2, *WORDS, seed=1)
    kernel, bias = result.get_layer("out").get_weights()
    assert np.allclose(outputs(result, x, y)[0], OTHERS[new](x, y) @ kernel + bias, atol=1e-5)


def test_arguments_by_keyword_are_counted(tmp_path: Path) -> None:
    old = attending(layers.MultiHeadAttention(1, 2, name="old"), keywords=True)
    error = refused(tmp_path, old, "{op: replace, layers: old, with: [{Subtract: {}}]}")
    assert "Subtract takes 2 inputs, and gets 3: 'x', 'y', 'y'" in error.what


@pytest.mark.parametrize("old", [layers.Attention(name="old"), layers.Add(name="old")])
def test_a_list_becomes_arguments(tmp_path: Path, old: Any) -> None:
    new = "{MultiHeadAttention: {num_heads: 1, key_dim: 2, name: new}}"
    _, result = applied(tmp_path, attending(old), f"{{op: replace, layers: old, with: [{new}]}}")
    x, y = example(2, *WORDS), example(2, *WORDS, seed=1)
    kernel, bias = result.get_layer("out").get_weights()
    attended = np.asarray(result.get_layer("new")(x, y))
    assert np.allclose(outputs(result, x, y)[0], attended @ kernel + bias, atol=1e-5)


def test_what_attends_to_itself_gives_its_place_to_a_layer_of_one_input(tmp_path: Path) -> None:
    x = keras.Input(WORDS, name="x")
    attention = layers.MultiHeadAttention(1, 2, name="old")
    for called in (attention(x, x), attention(query=x, value=x, key=x)):
        model = keras.Model(x, layers.Dense(2, name="out")(called))
        _, result = applied(tmp_path, model, "{op: replace, layers: old, with: [{ReLU: {}}]}")
        kernel, bias = result.get_layer("out").get_weights()
        assert np.allclose(
            outputs(result, example(2, *WORDS))[0], example(2, *WORDS).clip(0) @ kernel + bias, atol=1e-6
        )


@pytest.mark.parametrize(
    ("bidirectional", "operation", "wanted"),
    [
        (False, "{op: replace, layers: encoder, with: [{GRU: {units: 3, return_state: true}}]}", "output 3 of 'gru'"),
        (False, "{op: replace, layers: encoder, with: [{LSTM: {units: 3}}]}", "output 3 of 'encoder'"),
        (False, "{op: replace, layers: encoder, with: [{Dense: {units: 3}}]}", "output 3 of 'dense'"),
        (False, "{op: reconfigure, layers: encoder, config: {return_state: false}}", "output 3 of 'encoder'"),
        (True, "{op: replace, layers: encoder, with: [{LSTM: {units: 3, return_state: true}}]}", "output 5 of 'lstm'"),
        (False, "{op: replace, layers: decoder, with: [{GRU: {units: 3}}]}", "tensors by keyword (initial_state)"),
        (False, "{op: replace, layers: decoder, with: [{Bidirectional: {layer: {LSTM: {units: 3}}}}]}", "by keyword"),
    ],
)
def test_states_that_somebody_reads_are_made(tmp_path: Path, bidirectional: bool, operation: str, wanted: str) -> None:
    assert wanted in refused(tmp_path, coding(bidirectional), operation).what


STATES = "[{LSTM: {units: 5, return_state: true, name: encoder}}]"


@pytest.mark.parametrize(
    ("bidirectional", "operation"),
    [
        (False, f"{{op: replace, layers: encoder, with: {STATES}}}"),
        (False, "{op: replace, layers: decoder, with: [{LSTM: {units: 5, return_sequences: true}}]}"),
        (False, "{op: reconfigure, layers: decoder, config: {units: 5}, weights: fresh}"),
        (True, "{op: replace, layers: decoder, with: [{Bidirectional: {layer: {LSTM: {units: 5}}}}]}"),
    ],
)
def test_states_have_the_size_that_a_layer_begins_with(tmp_path: Path, bidirectional: bool, operation: str) -> None:
    error = refused(tmp_path, coding(bidirectional), operation)
    assert "begins with 2 states of (batch, " in error.what


@pytest.mark.parametrize("swap", [False, True])
def test_both_halves_change_together(tmp_path: Path, swap: bool) -> None:
    both = [
        f"{{op: replace, layers: encoder, with: {STATES}}}",
        "{op: replace, layers: decoder, with: [{LSTM: {units: 5, return_sequences: true}}]}",
    ]
    _, result = applied(tmp_path, coding(), *(both[::-1] if swap else both), "{op: reinitialize, layers: out}")
    assert outputs(result, example(2, *WORDS))[0].shape == (2, 5, 2)


def test_one_state_of_a_gru(tmp_path: Path) -> None:
    x = keras.Input(WORDS, name="x")
    start = layers.Dense(3, name="start")(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(x, layers.GRU(3, name="gru")(x, initial_state=start))
    error = refused(tmp_path, model, "{op: insert, after: start, layers: [{Dense: {units: 5}}]}")
    assert "GRU begins with a state of (batch, 3), and gets (None, 5)" in error.what
    _, result = applied(tmp_path, model, "{op: insert, after: start, layers: [{Dense: {units: 3}}]}")
    assert np.isfinite(outputs(result, example(2, *WORDS))[0]).all()


def test_a_layer_says_what_it_reads_where_the_old_one_took_tensors_by_keyword(tmp_path: Path) -> None:
    x, mask = keras.Input(WORDS, name="x"), keras.Input((5,), dtype="bool", name="mask")
    model = keras.Model([x, mask], layers.GlobalAveragePooling1D(name="pool")(x, mask=mask))
    error = refused(tmp_path, model, "{op: replace, layers: pool, with: [{GlobalMaxPooling1D: {}}]}")
    assert error.fix == "say what it is to read: inputs: [x]"
    _, result = applied(tmp_path, model, "{op: replace, layers: pool, with: [{GlobalMaxPooling1D: {inputs: [x]}}]}")
    words = example(2, *WORDS)
    assert np.allclose(outputs(result, words, np.ones((2, 5), bool))[0], words.max(1))


@pytest.mark.parametrize(
    "operation",
    [
        "{op: insert, after: d, layers: [{LSTM: {units: 3, return_state: true, return_sequences: true}}]}",
        "{op: append, layers: [{LSTM: {units: 3, return_state: true}}]}",
        "{op: replace, layers: e, with: [{GRU: {units: 3, return_state: true}}]}",
        "{op: insert, after: d, layers: [{MultiHeadAttention: {num_heads: 1, key_dim: 2}}]}",
    ],
)
@pytest.mark.parametrize("is_nested", [False, True])
def test_a_sequential_has_one_tensor_between_layers(tmp_path: Path, operation: str, is_nested: bool) -> None:
    model = keras.Sequential(
        [keras.Input(WORDS, name="x"), layers.Dense(3, name="d"), layers.Dense(3, name="e")], name="s"
    )
    if is_nested:
        if "append" in operation:
            pytest.skip("append works on the model itself")
        operation = operation.replace(" d,", " s/d,").replace(" e,", " s/e,")
        model = keras.Sequential([keras.Input(WORDS, name="x"), model, layers.Dense(2, name="z")])
    plan, result = applied(tmp_path, model, operation)
    inner = result.get_layer("s") if is_nested else result
    assert type(inner).__name__ == "Functional"
    assert [tensor.shape for tensor in result.outputs] == [plan.spec.tensor(ref).shape for ref in plan.spec.refs_out()]  # type: ignore[union-attr]
    assert np.isfinite(outputs(result, example(2, *WORDS))[0]).all()


def test_a_sequential_that_ends_in_states_keeps_them(tmp_path: Path) -> None:
    ends = layers.LSTM(3, return_state=True, name="l")
    model = keras.Sequential([keras.Input(WORDS, name="x"), layers.Dense(3, name="d"), ends])
    _, result = applied(tmp_path, model, "{op: freeze, layers: d}")
    assert len(result.outputs) == 3


def test_every_class_that_merges_is_known() -> None:
    from keras.src.layers.merging.base_merge import Merge

    found = {name for name in catalogue.names("layers") if issubclass(getattr(layers, name), Merge)}
    assert found <= set(LISTS)
    needy = {name for name in catalogue.names("layers") if sum(a.required for a in _known(name).call.values()) > 1}
    assert needy == {*SEPARATE, "GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"} & needy


def _known(name: str) -> catalogue.KerasClass:
    known = catalogue.find("layers", name)
    assert known is not None
    return known


def test_a_cell_is_called_with_its_state(tmp_path: Path) -> None:
    error = refused(tmp_path, merging(), "{op: append, layers: [{GRUCell: {units: 3}}]}")
    assert "GRUCell takes 2 inputs, and gets 1" in error.what


@pytest.mark.parametrize(
    ("operation", "what"),
    [
        ("{op: append, layers: [{MultiHeadAttention: {num_heads: 1, key_dim: 2}}]}", "needs positions to attend over"),
        ("{op: append, layers: [{Softmax: {axis: 3}}]}", "Softmax over axis 3"),
        (
            "{op: append, layers: [{RepeatVector: {n: 3}}, {TimeDistributed: {layer: {Add: {}}}}]}",
            "TimeDistributed hands one tensor on, and Add takes several",
        ),
        (
            "{op: append, layers: [{Dense: {units: 3, name: c}}, {Attention: {inputs: [c, a]}}]}",
            "Attention needs a query and a key of the same features",
        ),
        (
            "{op: append, layers: [{Dense: {units: 3, name: c}}, {AdditiveAttention: {inputs: [c, a]}}]}",
            "AdditiveAttention needs a query and a key of the same features",
        ),
        (
            "{op: append, layers: [{Reshape: {target_shape: [1, 2], name: c}},"
            " {MultiHeadAttention: {num_heads: 1, key_dim: 2, inputs: [c, a]}}]}",
            "needs positions to attend over",
        ),
    ],
)
def test_what_keras_builds_and_cannot_call(tmp_path: Path, operation: str, what: str) -> None:
    assert what in refused(tmp_path, merging(), operation).what


def test_attention_over_axes_that_are_there(tmp_path: Path) -> None:
    x = keras.Input((3, 5, 4), name="x")
    model = keras.Model(x, layers.ReLU(name="r")(x))
    new = "{MultiHeadAttention: {num_heads: 1, key_dim: 2, attention_axes: AXES}}"
    for axes in ("[2]", "[1, 2]", "[-2]"):
        _, result = applied(tmp_path, model, f"{{op: append, layers: [{new.replace('AXES', axes)}]}}")
        assert np.isfinite(outputs(result, example(2, 3, 5, 4))[0]).all()
    refused(tmp_path, model, f"{{op: append, layers: [{new.replace('AXES', '[3]')}]}}")
