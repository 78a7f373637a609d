"""What functions and layers of Keras 1 and 2 meant, kept in Keras 3; `make keras2` compares with Keras 2 itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from surgery.api import apply_to_file, plan
from surgery.errors import ModelUnsupported
from surgery.model.archive import read_model
from surgery.model.spec import TensorRef
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


# Masks


def entry(class_name: str, name: str, *inbound: str, **config: Any) -> dict[str, Any]:
    """A layer of a functional model of Keras 2; `name:1` is the second output of a layer."""
    nodes = [[[one.partition(":")[0], 0, int(one.partition(":")[2] or 0), {}] for one in inbound]] if inbound else []
    return {**layer(class_name, name, **config), "name": name, "inbound_nodes": nodes}


def functional(inputs: list[str], output: str, *entries: dict[str, Any]) -> dict[str, Any]:
    ends = {"input_layers": [[name, 0, 0] for name in inputs], "output_layers": [[output, 0, 0]]}
    return {"class_name": "Model", "config": {"name": "m", "layers": list(entries), **ends}}


def tokens(name: str, *, mask: bool = True) -> list[dict[str, Any]]:
    return [
        entry("InputLayer", name, batch_input_shape=[None, 4], dtype="int32"),
        entry("Embedding", f"{name}_e", name, input_dim=9, output_dim=3, mask_zero=mask),
    ]


def two_embeddings(path: Path, merge: str, *, both: bool, reader: tuple[str, dict[str, Any]]) -> Path:
    class_name, options = reader
    model = functional(
        ["a", "b"], "r", *tokens("a"), *tokens("b", mask=both), entry(merge, "merged", "a_e", "b_e"),
        entry(class_name, "r", "merged", **options),
    )  # fmt: skip
    width = 6 if merge == "Concatenate" else 3
    recurrent = [numbers(width, 8, seed=3), numbers(2, 8, seed=4), numbers(8, seed=5)] if class_name == "LSTM" else []
    weights = {"a_e": [numbers(9, 3, seed=1)], "b_e": [numbers(9, 3, seed=2)], "r": recurrent}
    return old_file(path, model, weights, "2.4.0")


LSTM = ("LSTM", {"units": 2, "recurrent_activation": "sigmoid"})
POOLING = ("GlobalAveragePooling1D", {})


@pytest.mark.keras
@pytest.mark.parametrize("merge", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"])
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("reader", [LSTM, POOLING], ids=["LSTM", "pooling"])
def test_merges_of_masked_inputs_mean_what_they_did(tmp_path: Path, merge: str, both: bool, reader: Any) -> None:
    import keras
    from keras import layers, ops

    path = two_embeddings(tmp_path / "m.h5", merge, both=both, reader=reader)
    loaded = converted(path, tmp_path / "m.keras")
    a, b = keras.Input((4,), dtype="int32"), keras.Input((4,), dtype="int32")
    x = [layers.Embedding(9, 3)(ids) for ids in (a, b)]
    mask = ops.logical_and(ops.not_equal(a, 0), ops.not_equal(b, 0)) if both else ops.not_equal(a, 0)
    plain = layers.LSTM(2) if reader is LSTM else layers.GlobalAveragePooling1D()
    model = keras.Model([a, b], plain(getattr(layers, merge)()(x), mask=mask))
    model.set_weights(loaded.get_weights())
    ids = [np.array([[1, 2, 0, 0], [3, 0, 4, 5]]), np.array([[1, 0, 2, 0], [6, 7, 8, 0]])]
    np.testing.assert_array_equal(np.asarray(loaded(ids)), np.asarray(model(ids)))


def test_the_plan_says_which_layers_are_given_their_masks(tmp_path: Path) -> None:
    two_embeddings(tmp_path / "m.h5", "Add", both=True, reader=LSTM)
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "surgery: 1\nmodel: {path: m.h5}\noperations:\n  - {op: freeze, layers: r}\noutputs: {model: out.keras}\n"
    )
    made = plan(load_recipe(recipe))
    assert made.notes[0] == "'r' is given the mask that it had in Keras 2; Keras 3 combines masks otherwise."
    apply_to_file(made, tmp_path / "out.keras")
    call = read_model(tmp_path / "out.keras")["r"].calls[0]
    assert call.kwargs["mask"] == TensorRef("a_not_padding_and")


def test_a_model_whose_masks_are_the_same_is_left_alone(tmp_path: Path) -> None:
    model = functional(
        ["a"], "r", *tokens("a"), entry("Dense", "d", "a_e", units=3), entry("Add", "merged", "d", "a_e"),
        entry("LSTM", "r", "merged", units=2, recurrent_activation="sigmoid"),
    )  # fmt: skip
    spec = read_model(old_file(tmp_path / "m.h5", model, {}, "2.4.0"))
    assert [one.name for one in spec.layers] == ["a", "a_e", "d", "merged", "r"]
    assert (spec["r"].calls[0].kwargs, spec.notes) == ({}, ())


def test_a_mask_that_rescaling_dropped_is_dropped(tmp_path: Path) -> None:
    entries = [
        layer("Embedding", "e", input_dim=9, output_dim=3, mask_zero=True, batch_input_shape=[None, 4]),
        layer("Rescaling", "s", scale=2.0),
        layer("LSTM", "r", units=2, recurrent_activation="sigmoid"),
    ]
    assert read_model(old_file(tmp_path / "m.h5", sequential(*entries), {}, "2.9.0"))["e"].config["mask_zero"] is False
    entries.insert(1, layer("GRU", "g", units=3, return_sequences=True, recurrent_activation="sigmoid"))
    with pytest.raises(ModelUnsupported, match=r"the mask of 's' \(Rescaling\).* cannot be given in a Sequential"):
        read_model(old_file(tmp_path / "n.h5", sequential(*entries), {}, "2.9.0"))


def test_refuses_a_mask_that_only_a_nested_model_could_compute(tmp_path: Path) -> None:
    inner = functional(
        ["x", "y"], "r", *(entry("InputLayer", name, batch_input_shape=[None, 4, 3]) for name in "xy"),
        entry("Add", "merged", "x", "y"), entry("LSTM", "r", "merged", units=2),
    )  # fmt: skip
    nested = {**inner, "name": "inner", "inbound_nodes": [[["a_e", 0, 0, {}], ["b_e", 0, 0, {}]]]}
    nested["config"]["name"] = "inner"
    model = functional(["a", "b"], "inner", *tokens("a"), *tokens("b"), nested)
    model["config"]["output_layers"] = [["inner", 1, 0]]
    with pytest.raises(
        ModelUnsupported, match=r"the mask of 'inner/r'.*cannot be computed from the inputs of its model"
    ):
        read_model(old_file(tmp_path / "m.h5", model, {}, "2.4.0"))


# States


@pytest.mark.keras
@pytest.mark.parametrize(("name", "states"), [("LSTM", 2), ("GRU", 1), ("SimpleRNN", 1)])
def test_recurrent_layers_begin_with_the_state_that_they_are_given(tmp_path: Path, name: str, states: int) -> None:
    import keras

    gates = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[name]
    options = {} if name == "SimpleRNN" else {"recurrent_activation": "sigmoid"}
    model = functional(
        ["a", "b"], "two", *(entry("InputLayer", one, batch_input_shape=[None, 4, 3]) for one in "ab"),
        entry(name, "one", "a", units=2, return_state=True, **options),
        entry(name, "two", "b", *(f"one:{number + 1}" for number in range(states)), units=2, **options),
    )  # fmt: skip
    arrays = [
        [numbers(3, 2 * gates, seed=seed), numbers(2, 2 * gates, seed=seed + 1), numbers(2 * gates, seed=seed + 2)]
        for seed in (1, 4)
    ]
    path = old_file(tmp_path / "m.h5", model, dict(zip(("one", "two"), arrays, strict=True)), "2.2.4")
    loaded = converted(path, tmp_path / "m.keras")
    more = {"reset_after": False} if name == "GRU" else {}
    a, b = keras.Input((4, 3)), keras.Input((4, 3))
    _, *state = getattr(keras.layers, name)(2, return_state=True, **more)(a)
    plain = keras.Model([a, b], getattr(keras.layers, name)(2, **more)(b, initial_state=state))
    plain.set_weights([array for each in arrays for array in each])
    batch = [numbers(2, 4, 3, seed=7), numbers(2, 4, 3, seed=8)]
    np.testing.assert_array_equal(np.asarray(loaded(batch)), np.asarray(plain(batch)))


def test_refuses_constants(tmp_path: Path) -> None:
    model = functional(
        ["a", "c"], "r", entry("InputLayer", "a", batch_input_shape=[None, 4, 3]),
        entry("InputLayer", "c", batch_input_shape=[None, 3]), entry("LSTM", "r", "a", "c", units=2, num_constants=1),
    )  # fmt: skip
    with pytest.raises(ModelUnsupported, match=r"num_constants=1|the constants of 'r'"):
        read_model(old_file(tmp_path / "m.h5", model, {}, "2.2.4"))


# Parts that Keras 3 does not have


def test_causal_padding_of_a_separable_convolution_is_a_layer_before_it(tmp_path: Path) -> None:
    entry = layer(
        "SeparableConv1D",
        "c",
        filters=2,
        kernel_size=[3],
        dilation_rate=[2],
        padding="causal",
        batch_input_shape=[None, 9, 4],
    )
    spec = read_model(old_file(tmp_path / "m.h5", sequential(entry), {}, "2.4.0"))
    assert [one.class_name for one in spec.listed] == ["ZeroPadding1D", "SeparableConv1D"]
    assert (spec.listed[0].config["padding"], spec["c"].config["padding"]) == ([4, 0], "valid")
    assert "'c_zeropadding1d' is put before 'c'" in spec.notes[0]
    wrapped = layer("TimeDistributed", "t", layer=entry, batch_input_shape=[None, 3, 9, 4])
    with pytest.raises(ModelUnsupported, match="the padding 'causal' of a SeparableConv1D inside 't'"):
        read_model(old_file(tmp_path / "n.h5", sequential(wrapped), {}, "2.4.0"))


@pytest.mark.parametrize(("dtype", "classes"), [("uint8", ["Rescaling", "Resizing"]), ("float32", ["Resizing"])])
def test_whole_numbers_are_floats_before_they_are_resized(tmp_path: Path, dtype: str, classes: list[str]) -> None:
    entry = layer("Resizing", "r", height=3, width=3, batch_input_shape=[None, 6, 6, 3])
    model = sequential(layer("InputLayer", "i", batch_input_shape=[None, 6, 6, 3], dtype=dtype), entry)
    spec = read_model(old_file(tmp_path / "m.h5", model, {}, "2.9.0"))
    assert [one.class_name for one in spec.listed] == classes


@pytest.mark.parametrize("interpolation", ["gaussian", "mitchellcubic"])
def test_refuses_interpolations_that_keras_3_cannot_call(tmp_path: Path, interpolation: str) -> None:
    entry = layer("UpSampling2D", "u", interpolation=interpolation, batch_input_shape=[None, 6, 6, 3])
    with pytest.raises(ModelUnsupported, match=f"the interpolation {interpolation} of the layer 'u'"):
        read_model(old_file(tmp_path / "m.h5", sequential(entry), {}, "2.9.0"))


def test_the_halves_of_a_bidirectional_may_differ_in_their_bias(tmp_path: Path) -> None:
    inner = {"units": 2, "recurrent_activation": "sigmoid"}
    entry = layer(
        "Bidirectional", "b", layer=layer("LSTM", "f", **inner, use_bias=False), batch_input_shape=[None, 5, 3],
        backward_layer=layer("LSTM", "g", **inner, go_backwards=True),
    )  # fmt: skip
    arrays = [numbers(3, 8), numbers(2, 8), numbers(3, 8), numbers(2, 8), numbers(8)]
    values = values_of(old_file(tmp_path / "m.h5", sequential(entry), {"b": arrays}, "2.9.0"))
    assert [key for _, key in values] == [
        *(f"forward_layer/cell/vars/{n}" for n in range(2)),
        *(f"backward_layer/cell/vars/{n}" for n in range(3)),
    ]


@pytest.mark.keras
def test_a_prelu_as_an_activation_becomes_a_layer(tmp_path: Path) -> None:
    activation = layer("PReLU", "p")
    model = sequential(
        layer("Dense", "d", units=3, activation=activation, batch_input_shape=[None, 4]), layer("Dense", "e", units=2)
    )
    weights = {"d": [numbers(4, 3), numbers(3), numbers(3, seed=5)], "e": [numbers(3, 2), numbers(2)]}
    path = old_file(tmp_path / "m.h5", model, weights, "2.9.0")
    assert [one.name for one in read_model(path).listed] == ["d", "d_prelu", "e"]
    loaded = converted(path, tmp_path / "m.keras")
    batch = numbers(5, 4, seed=7)
    x = batch @ weights["d"][0] + weights["d"][1]
    x = np.where(x > 0, x, weights["d"][2] * x)
    np.testing.assert_allclose(loaded(batch), x @ weights["e"][0] + weights["e"][1], atol=1e-6)
    recurrent = layer("LSTM", "r", units=2, activation=activation, batch_input_shape=[None, 5, 3])
    with pytest.raises(ModelUnsupported, match="the PReLU as the activation of 'r'"):
        read_model(old_file(tmp_path / "n.h5", sequential(recurrent), {}, "2.9.0"))


@pytest.mark.parametrize(("mode", "text"), [("cos", "the mode cos of the layer 'm'"), (["4wEAAAA="], "by a function")])
def test_refuses_merges_of_keras_1_that_no_layer_is(tmp_path: Path, mode: Any, text: str) -> None:
    branches = [sequential(layer("Dense", name, output_dim=3, batch_input_shape=[None, 4])) for name in "ab"]
    merge = layer("Merge", "m", layers=branches, mode=mode, dot_axes=1, mode_type="raw" if mode == "cos" else "lambda")
    with pytest.raises(ModelUnsupported, match=text):
        read_model(old_file(tmp_path / "m.h5", sequential(merge), {}))


@pytest.mark.parametrize("names", [("one", "two"), ("two", "one")])
def test_weights_of_a_nested_model_come_in_the_order_of_its_layers(tmp_path: Path, names: tuple[str, str]) -> None:
    """A layer may get another's name after it is built; its weights keep the old one, at which Keras 2 never looks."""
    entries = [layer("Dense", name, units=3) for name in ("one", "two")]
    entries[0]["config"]["batch_input_shape"] = [None, 3]
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": entries}}
    path = old_file(tmp_path / "m.h5", sequential(inner), {"inner": []}, "2.4.0")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/inner"]
        stored = [f"{name}/{kind}:0" for name in names for kind in ("kernel", "bias")]
        group.attrs["weight_names"] = [name.encode() for name in stored]
        for number, name in enumerate(stored):
            group[name] = numbers(*((3,) if "bias" in name else (3, 3)), seed=number)
    values = values_of(path)
    np.testing.assert_array_equal(values["inner/one", "vars/0"], numbers(3, 3, seed=0))
    np.testing.assert_array_equal(values["inner/two", "vars/1"], numbers(3, seed=3))


@pytest.mark.parametrize(
    ("config", "version"),
    [
        ({"output_dim": 2, "init": "uniform"}, 1),
        ({"units": 2, "kernel_initializer": {"class_name": "Zeros", "config": {}}}, 2),
        ({"units": 2, "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}}, 3),
    ],
)
def test_a_file_that_does_not_say_which_keras_wrote_it(tmp_path: Path, config: Any, version: int) -> None:
    entry = layer("Dense", "d", activation="hard_sigmoid", batch_input_shape=[None, 4], **config)
    path = old_file(tmp_path / "m.h5", sequential(entry), {"d": [numbers(4, 2), numbers(2)]})
    with h5py.File(path, "r+") as file:
        del file.attrs["keras_version"]
    spec, kernel = read_model(path), numbers(4, 2)
    note = f"The file does not say which Keras wrote it; by its layers it is read as one of Keras {version}."
    assert spec.notes == (note,)
    scaled = kernel if version == 3 else (kernel.astype("float64") * 1.2).astype("float32")
    np.testing.assert_array_equal(values_of(path)["d", "vars/0"], scaled)


def test_masks_of_a_model_that_does_not_say_what_it_takes(tmp_path: Path) -> None:
    embedding = layer("Embedding", "e", input_dim=9, output_dim=3, mask_zero=True)
    recurrent = layer("LSTM", "r", units=2, recurrent_activation="sigmoid")
    wrapped = layer("TimeDistributed", "t", layer=layer("Dense", "d", units=2))
    spec = read_model(old_file(tmp_path / "a.h5", sequential(embedding, recurrent), {}, "2.9.0"))
    assert spec["e"].config["mask_zero"] is True
    spec = read_model(
        old_file(tmp_path / "b.h5", sequential(wrapped, embedding, layer("Rescaling", "s", scale=2.0)), {}, "2.9.0")
    )
    assert spec.inputs is None
