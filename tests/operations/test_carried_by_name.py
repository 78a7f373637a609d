"""A variable is carried by Keras' name of it where others of its layer fall away or join."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import surgery
from surgery.errors import SurgeryError, WeightMismatch
from surgery.execution.commit import apply_to_file
from surgery.planning import Plan

pytestmark = pytest.mark.keras

IMAGE, WORDS = (8, 8, 4), (6, 4)

LESS: list[tuple[tuple[int, ...], str, dict[str, Any], dict[str, Any]]] = [
    (WORDS, "BatchNormalization", {}, {"scale": False}),
    (WORDS, "BatchNormalization", {}, {"center": False}),
    (WORDS, "LayerNormalization", {}, {"scale": False}),
    (WORDS, "LayerNormalization", {}, {"center": False}),
    (WORDS, "GroupNormalization", {"groups": 2}, {"scale": False}),
    (WORDS, "GroupNormalization", {"groups": 2}, {"center": False}),
    (WORDS, "Dense", {"units": 3}, {"use_bias": False}),
    (IMAGE, "Conv2D", {"filters": 3, "kernel_size": 3}, {"use_bias": False}),
    (IMAGE, "SeparableConv2D", {"filters": 3, "kernel_size": 3}, {"use_bias": False}),
    (IMAGE, "DepthwiseConv2D", {"kernel_size": 3}, {"use_bias": False}),
    (WORDS, "GRU", {"units": 3}, {"use_bias": False}),
    (WORDS, "LSTM", {"units": 3}, {"use_bias": False}),
    (WORDS, "SimpleRNN", {"units": 3}, {"use_bias": False}),
    (IMAGE, "ConvLSTM1D", {"filters": 3, "kernel_size": 3, "padding": "same"}, {"use_bias": False}),
    (
        WORDS,
        "EinsumDense",
        {"equation": "abc,cd->abd", "output_shape": [None, 3], "bias_axes": "d"},
        {"bias_axes": None},
    ),
]


def named(layer: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Each variable by its name within the layer. Keras puts the names of the model and the layer before it."""
    return {w.path.rpartition("layer/")[2]: np.asarray(keras.ops.convert_to_numpy(w.value)) for w in layer.weights}


def model(shape: tuple[int, ...], class_name: str, config: dict[str, Any], path: Path) -> Any:
    made = keras.Sequential([keras.Input(shape), getattr(keras.layers, class_name)(**config, name="layer")])
    random = np.random.default_rng(0)
    layer = made.get_layer("layer")
    layer.set_weights([random.random(w.shape).astype("float32") + 0.5 for w in layer.weights])
    made.save(path)
    return made


def changed(folder: Path, config: dict[str, Any], **more: Any) -> Any:
    """The layer of the result, as plain Keras loads it."""
    values = ", ".join(f"{key}: {'null' if value is None else str(value).lower()}" for key, value in config.items())
    words = "".join(f", {key}: {value}" for key, value in more.items())
    (folder / "recipe.yaml").write_text(
        "surgery: 1\nmodel: {path: model.keras}\noperations:\n"
        f"  - {{op: reconfigure, layers: layer, config: {{{values}}}{words}}}\n"
    )
    apply_to_file(surgery.plan(surgery.load_recipe(folder / "recipe.yaml")), folder / "out.keras")
    return keras.models.load_model(folder / "out.keras").get_layer("layer")


@pytest.mark.parametrize(("shape", "class_name", "config", "change"), LESS)
def test_what_stays_keeps_its_own_values(
    tmp_path: Path, shape: tuple[int, ...], class_name: str, config: dict[str, Any], change: dict[str, Any]
) -> None:
    before = named(model(shape, class_name, config, tmp_path / "model.keras").get_layer("layer"))
    after = named(changed(tmp_path, change))
    assert set(after) < set(before)
    for name, value in after.items():
        assert np.array_equal(value, before[name]), name
    found = surgery.diff(tmp_path / "model.keras", tmp_path / "out.keras")
    assert [(one.variable, one.status) for one in found.weights] == [
        (name.rpartition("/")[2], "removed") for name in before if name not in after
    ]


@pytest.mark.parametrize(("shape", "class_name", "config", "change"), LESS)
def test_what_joins_is_fresh_and_the_rest_stays(
    tmp_path: Path, shape: tuple[int, ...], class_name: str, config: dict[str, Any], change: dict[str, Any]
) -> None:
    """The way back: the plan refuses to call it kept, and `overlap` says which begins anew."""
    before = named(model(shape, class_name, {**config, **change}, tmp_path / "model.keras").get_layer("layer"))
    back = {key: config.get(key, True) for key in change}
    with pytest.raises(SurgeryError) as caught:
        changed(tmp_path, back)
    assert (
        isinstance(caught.value, WeightMismatch) or "none before" in str(caught.value) or "has no" in str(caught.value)
    )
    after = named(changed(tmp_path, back, weights="overlap"))
    assert set(before) < set(after)
    for name, value in before.items():
        assert np.array_equal(after[name], value), name


def test_another_layer_of_the_class_with_other_variables_in_their_places_is_not_kept(tmp_path: Path) -> None:
    """A LayerNormalization without a scale stores beta where one without a center stores gamma."""
    model(WORDS, "LayerNormalization", {"scale": False}, tmp_path / "model.keras")
    (tmp_path / "recipe.yaml").write_text(
        "surgery: 1\nmodel: {path: model.keras}\noperations:\n"
        "  - {op: replace, layers: layer, with: [{LayerNormalization: {center: false}}]}\n"
    )
    plan = surgery.plan(surgery.load_recipe(tmp_path / "recipe.yaml"))
    assert [(line.variable, line.source.split(",")[0]) for line in plan.ledger] == [
        ("gamma", "fresh"),
        ("beta", "dropped"),
    ]


def test_weights_of_a_checkpoint_are_taken_by_name(tmp_path: Path) -> None:
    model(WORDS, "LayerNormalization", {"scale": False}, tmp_path / "model.keras")
    model(WORDS, "LayerNormalization", {"center": False}, tmp_path / "other.keras")
    (tmp_path / "recipe.yaml").write_text(
        "surgery: 1\nmodel: {path: model.keras}\noperations:\n  - {op: transplant, from: other.keras}\n"
    )
    with pytest.raises(SurgeryError, match="has no beta"):
        surgery.plan(surgery.load_recipe(tmp_path / "recipe.yaml"))


def chain(folder: Path, layers: str, weights: str = "") -> Plan:
    """The plan that puts other layers in the place of two Dense layers of one shape, fc1 and fc2."""
    made = keras.Sequential(
        [
            keras.Input((4,)),
            *(keras.layers.Dense(4, name=name) for name in ("fc1", "fc2")),
            keras.layers.Dense(2, name="out"),
        ]
    )
    made.save(folder / "model.keras")
    (folder / "recipe.yaml").write_text(
        "surgery: 1\nmodel: {path: model.keras}\noperations:\n"
        f"  - {{op: replace, layers: [fc1, fc2], with: [{layers}]{weights}}}\n"
    )
    return surgery.plan(surgery.load_recipe(folder / "recipe.yaml"))


def sources(plan: Plan) -> dict[str, str]:
    """Where the variables of the result come from; what falls away is not among them."""
    lines = [line for line in plan.ledger if line.path != "out" and line.source != "dropped"]
    return {f"{line.path}/{line.variable}": line.source.split(",")[0] for line in lines}


EINSUM = '{EinsumDense: {equation: "ab,bc->ac", output_shape: 4, bias_axes: c, name: fc1}}'


def test_in_a_chain_equal_names_belong_together_before_classes_do(tmp_path: Path) -> None:
    found = sources(chain(tmp_path, f"{EINSUM}, {{Dense: {{units: 4, name: fc2}}}}"))
    assert found["fc2/kernel"] == found["fc2/bias"] == "kept"
    assert found["fc1/kernel"] == "fresh"


def test_other_names_are_paired_by_class_in_order(tmp_path: Path) -> None:
    found = sources(
        chain(tmp_path, "{Dense: {units: 4, name: one}}, {Dropout: {rate: 0.1}}, {Dense: {units: 4, name: two}}")
    )
    assert (found["one/kernel"], found["two/kernel"]) == ("moved from fc1", "moved from fc2")


def test_keep_gives_every_new_layer_all_of_its_weights(tmp_path: Path) -> None:
    found = sources(chain(tmp_path, f"{EINSUM}, {{Dense: {{units: 4, name: fc2}}}}", ", weights: keep"))
    assert set(found.values()) == {"kept"}


def test_or_it_is_an_error(tmp_path: Path) -> None:
    three = ", ".join(f"{{Dense: {{units: 4, name: {name}}}}}" for name in ("one", "two", "three"))
    with pytest.raises(SurgeryError, match=r"the kernel of 'three'.*was not there"):
        chain(tmp_path, three, ", weights: keep")


@pytest.mark.parametrize(
    ("config", "shape", "dtype"),
    [
        ("{batch_size: 2}", (2, 6, 4), "float32"),
        ("{batch_size: 2, dtype: float16}", (2, 6, 4), "float16"),
        ("{dtype: float16}", (3, 6, 4), "float16"),
        ("{shape: [8, 4]}", (3, 8, 4), "float32"),
        ("{shape: [8, 4], batch_size: 5}", (5, 8, 4), "float32"),
        ("{batch_shape: [null, 8, 4]}", (None, 8, 4), "float32"),
        ("{batch_size: null}", (None, 6, 4), "float32"),
    ],
)
def test_an_input_takes_a_part_of_its_shape_alone(
    tmp_path: Path, config: str, shape: tuple[int | None, ...], dtype: str
) -> None:
    words = keras.Input(WORDS, batch_size=3, name="words")
    keras.Model(words, keras.layers.Dense(2)(words)).save(tmp_path / "model.keras")
    (tmp_path / "recipe.yaml").write_text(
        "surgery: 1\nmodel: {path: model.keras}\noperations:\n"
        f"  - {{op: reconfigure, layers: words, config: {config}}}\n"
    )
    apply_to_file(surgery.plan(surgery.load_recipe(tmp_path / "recipe.yaml")), tmp_path / "out.keras")
    loaded = keras.models.load_model(tmp_path / "out.keras")
    assert (tuple(loaded.inputs[0].shape), loaded.inputs[0].dtype) == (shape, dtype)
