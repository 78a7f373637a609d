"""What functions and layers of Keras 1 and 2 meant, kept in Keras 3; `make keras2` compares with Keras 2 itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgery.api import apply_to_file, plan
from surgery.errors import ModelUnsupported
from surgery.model.archive import read_model
from surgery.recipe import load_recipe
from tests.model.test_legacy import converted, layer, numbers, old_file, sequential, values_of

LSTM_SHAPES = [(3, 8), (2, 8), (8,)]


def hard_sigmoid(x: Any) -> Any:
    """That of Keras 1 and 2."""
    import keras

    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def old_lstm(path: Path, version: str = "2.2.4", **options: Any) -> Path:
    arguments = {"units": 2, "batch_input_shape": [None, 5, 3], "recurrent_activation": "hard_sigmoid", **options}
    return old_file(
        path, sequential(layer("LSTM", "r", **arguments)), {"r": list(map(numbers_of, LSTM_SHAPES))}, version
    )


def numbers_of(shape: tuple[int, ...]) -> Any:
    return numbers(*shape)


@pytest.mark.parametrize("version", ["1.2.2", "2.2.4", "2.15.0"])
def test_the_gates_of_an_lstm_with_hard_sigmoid_are_scaled(tmp_path: Path, version: str) -> None:
    path = old_lstm(tmp_path / "m.h5", version)
    values = values_of(path)
    for number, shape in enumerate(LSTM_SHAPES):
        expected = numbers(*shape).astype("float64")
        expected[..., [0, 1, 2, 3, 6, 7]] *= 1.2
        np.testing.assert_array_equal(values["r", f"cell/vars/{number}"], expected.astype("float32"))


def test_hard_sigmoid_of_keras_3_is_left_alone(tmp_path: Path) -> None:
    values = values_of(old_lstm(tmp_path / "m.h5", "3.1.0"))
    np.testing.assert_array_equal(values["r", "cell/vars/0"], numbers(3, 8))


def test_keras_1_has_hard_sigmoid_where_nothing_is_said(tmp_path: Path) -> None:
    flat = [numbers(*shape, seed=9) for _ in range(3) for shape in [(3, 2), (2, 2), (2,)]]
    model = sequential(layer("GRU", "r", batch_input_shape=[None, 5, 3], output_dim=2))
    path = old_file(tmp_path / "m.h5", model, {"r": flat})
    assert read_model(path)["r"].config["recurrent_activation"] == "hard_sigmoid"
    scaled = (numbers(3, 2, seed=9).astype("float64") * 1.2).astype("float32")
    kernel = np.concatenate([scaled, scaled, numbers(3, 2, seed=9)], axis=-1)
    np.testing.assert_array_equal(values_of(path)["r", "cell/vars/0"], kernel)


def test_the_ledger_says_what_is_scaled_variable_by_variable(tmp_path: Path) -> None:
    old_lstm(tmp_path / "m.h5")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "surgery: 1\nmodel: {path: m.h5}\noperations:\n  - {op: rename, layers: {r: s}}\noutputs: {model: out.keras}\n"
    )
    made = plan(load_recipe(recipe))
    text = "moved from r, times 1.2 at the gates i, f and o: hard_sigmoid was clip(0.2 x + 0.5) before Keras 3"
    assert [line.source for line in made.ledger] == [text] * 3
    apply_to_file(made, tmp_path / "out.keras")
    scaled = values_of(tmp_path / "m.h5")
    for (_, key), value in values_of(tmp_path / "out.keras").items():
        np.testing.assert_array_equal(value, scaled["r", key])


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (layer("LSTM", "r", units=2, batch_input_shape=[None, 5, 3], activation="hard_sigmoid"), "'r' (LSTM)"),
        (layer("pack>Gate", "g", batch_input_shape=[None, 3], activation="hard_sigmoid"), "'g' (Gate)"),
    ],
)
def test_refuses_hard_sigmoid_where_no_weight_can_be_scaled(tmp_path: Path, entry: Any, text: str) -> None:
    path = old_file(tmp_path / "m.h5", sequential(entry), {}, "2.2.4")
    with pytest.raises(ModelUnsupported) as caught:
        read_model(path)
    assert f"hard_sigmoid of Keras 1 and 2, which is not that of Keras 3, as the activation of {text}" in str(
        caught.value
    )


def test_a_rescaling_is_put_before_an_activation_and_the_plan_says_so(tmp_path: Path) -> None:
    model = sequential(
        layer("Dense", "d", units=2, batch_input_shape=[None, 4]), layer("Activation", "a", activation="hard_sigmoid")
    )
    old_file(tmp_path / "m.h5", model, {"d": [numbers(4, 2), numbers(2)]}, "2.2.4")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "surgery: 1\nmodel: {path: m.h5}\noperations:\n  - {op: freeze, layers: d}\noutputs: {model: out.keras}\n"
    )
    made = plan(load_recipe(recipe))
    assert [one.name for one in made.spec.listed] == ["d", "a_rescaling", "a"]
    assert made.spec["a_rescaling"].config["scale"] == 1.2
    assert any("'a_rescaling' is put before 'a'" in note for note in made.notes)
    apply_to_file(made, tmp_path / "out.keras")


@pytest.mark.keras
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("LSTM", {"recurrent_activation": "hard_sigmoid"}),
        ("GRU", {"recurrent_activation": "hard_sigmoid", "reset_after": False}),
        ("GRU", {"recurrent_activation": "hard_sigmoid", "activation": "hard_sigmoid", "reset_after": True}),
        ("SimpleRNN", {"activation": "hard_sigmoid"}),
        ("ConvLSTM1D", {"recurrent_activation": "hard_sigmoid", "kernel_size": 2}),
        ("SeparableConv1D", {"activation": "hard_sigmoid", "kernel_size": 2}),
    ],
)
def test_layers_with_hard_sigmoid_compute_what_they_did(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    import keras

    size = {"filters" if "Conv" in name else "units": 2}
    shape = (5, 4, 3) if name == "ConvLSTM1D" else (5, 3)
    old = {key: hard_sigmoid if value == "hard_sigmoid" else value for key, value in options.items()}
    plain = keras.Sequential([keras.Input(shape), getattr(keras.layers, name)(**size, **old)])
    weights = [numbers(*weight.shape, seed=number) for number, weight in enumerate(plain.weights)]
    plain.set_weights(weights)
    document = sequential(layer(name, "x", **size, **options, batch_input_shape=[None, *shape]))
    loaded = converted(old_file(tmp_path / "m.h5", document, {"x": weights}, "2.2.4"), tmp_path / "m.keras")
    batch = numbers(4, *shape, seed=7)
    np.testing.assert_allclose(loaded(batch), plain(batch), atol=1e-6)
