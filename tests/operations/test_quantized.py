"""Quantized models: edited as their files have them, or refused with the reason, and no plan that apply cannot keep."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import surgery
from surgery.api import apply_to_file
from surgery.errors import ModelUnsupported, SurgeryError, flatten

pytestmark = pytest.mark.keras

MODES = ("int8", "int4", "float8")


def dense(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(12, activation="relu", name="hidden"),
            layers.Dense(4, name="head", use_bias=False),
        ]
    )


def sequence(keras: Any) -> Any:
    x = keras.Input((6,), dtype="int32")
    y = keras.layers.Embedding(20, 8, name="hidden")(x)
    y = keras.layers.EinsumDense("abc,cd->abd", (6, 5), bias_axes="d", name="mixing")(y)
    return keras.Model(x, keras.layers.Dense(3, name="head")(keras.layers.GlobalMaxPooling1D()(y)))


def packed(keras: Any) -> Any:
    x = keras.Input((16,))
    return keras.Model(x, keras.layers.Dense(3, name="head")(keras.Model(x, dense(keras)(x), name="inside")(x)))


def saved(build: Any, mode: str, path: Path) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    model = build(keras)
    if mode == "float8" and build is sequence:
        pytest.skip("Keras quantizes no Embedding to float8")
    with warnings.catch_warnings(action="ignore"):  # Keras: an InputLayer is not quantized
        model.quantize(mode)
    model.save(path)
    return model


def planned(folder: Path, *operations: str) -> Any:
    recipe = folder / "recipe.yaml"
    lines = "".join(f"  - {operation}\n" for operation in operations)
    recipe.write_text(f"surgery: 1\nmodel: {{path: source.keras}}\noperations:\n{lines}", encoding="utf-8")
    return surgery.plan(surgery.load_recipe(recipe))


KEEPING = (
    "{op: freeze, layers: hidden}",
    "{op: insert, after: hidden, layers: [{Dropout: {rate: 0.1, name: new}}]}",
    "{op: rename, layers: {head: answer}}",
    "{op: append, layers: [{Softmax: {name: new}}]}",
    "{op: reconfigure, layers: head, config: {activation: tanh}}",
    "{op: replace, layers: head, with: [{Dense: {units: 7, name: answer}}], weights: fresh}",
    "{op: transplant, from: source.keras, layers: hidden}",
)


@pytest.mark.parametrize("operation", KEEPING)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("build", [dense, sequence])
def test_what_is_planned_is_applied(build: Any, mode: str, operation: str, tmp_path: Path) -> None:
    import keras

    model = saved(build, mode, tmp_path / "source.keras")
    plan = planned(tmp_path, operation)
    apply_to_file(plan, tmp_path / "result.keras", prove=True)
    result = keras.models.load_model(tmp_path / "result.keras")
    counted = sum(int(np.prod(variable.shape)) for variable in result.variables if "seed" not in variable.name)
    assert plan.spec.parameters == counted
    trained = sum(int(np.prod(variable.shape)) for variable in result.trainable_variables)
    assert plan.spec.trainable_parameters == trained
    before, after = (
        {v.path.split("/", 1)[-1]: np.asarray(v) for v in m.get_layer("hidden").variables} for m in (model, result)
    )
    assert {name.rpartition("/")[2] for name in before} == {weight.name for weight in plan.spec["hidden"].weights}
    for name, value in after.items():
        same = [other for key, other in before.items() if key.rpartition("/")[2] == name.rpartition("/")[2]]
        assert same
        assert (same[0] == value).all()


@pytest.mark.parametrize("mode", MODES)
def test_inside_a_nested_model(mode: str, tmp_path: Path) -> None:
    import keras

    model = saved(packed, mode, tmp_path / "source.keras")
    apply_to_file(planned(tmp_path, "{op: freeze, layers: inside}"), tmp_path / "result.keras", prove=True)
    result = keras.models.load_model(tmp_path / "result.keras")
    x = np.random.default_rng(0).normal(size=(4, 16)).astype("f4")
    assert (model.predict(x, verbose=0) == result.predict(x, verbose=0)).all()


SPOILING = (
    "{op: reinitialize, layers: hidden}",
    "{op: average, with: [source.keras], layers: hidden}",
    "{op: resize, layer: head, units: 6}",
    "{op: replace, layers: hidden, with: [{Dense: {inherit: true, activation: tanh}}], weights: fresh}",
)


@pytest.mark.parametrize("operation", SPOILING)
@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_numbers_without_their_scales_are_refused_with_a_fix_that_works(
    mode: str, operation: str, tmp_path: Path
) -> None:
    saved(dense, mode, tmp_path / "source.keras")
    with pytest.raises(SurgeryError) as caught:
        planned(tmp_path, operation)
    (error,) = flatten(caught.value)
    assert "is quantized" in error.what
    apply_to_file(planned(tmp_path, str(error.fix)), tmp_path / "result.keras", prove=True)


def test_a_cast_is_refused_and_not_called_done(tmp_path: Path) -> None:
    saved(dense, "int8", tmp_path / "source.keras")
    with pytest.raises(SurgeryError, match="is quantized") as caught:
        planned(tmp_path, "{op: cast, layers: hidden, dtype: mixed_bfloat16}")
    (error,) = flatten(caught.value)
    apply_to_file(planned(tmp_path, str(error.fix)), tmp_path / "result.keras", prove=True)


def test_numbers_of_floats_do_not_become_those_of_integers(tmp_path: Path) -> None:
    import keras

    saved(dense, "int8", tmp_path / "source.keras")
    dense(keras).save(tmp_path / "other.keras")
    with pytest.raises(SurgeryError):
        planned(tmp_path, "{op: transplant, from: other.keras, layers: hidden}")


def test_a_file_that_keras_cannot_load_is_refused_with_the_reason(tmp_path: Path) -> None:
    import keras

    x = keras.Input((6, 8))
    model = keras.Model(x, keras.layers.MultiHeadAttention(2, 4, name="attention")(x, x))
    with warnings.catch_warnings(action="ignore"):
        model.quantize("int8")
    model.save(tmp_path / "source.keras")
    with pytest.raises(ValueError, match="could not be loaded"):
        keras.models.load_model(tmp_path / "source.keras")
    with pytest.raises(ModelUnsupported, match="does not write that the layers inside a layer are quantized"):
        planned(tmp_path, "{op: freeze, layers: attention}")


def test_inspect_says_what_trains(tmp_path: Path) -> None:
    saved(dense, "int8", tmp_path / "source.keras")
    model = surgery.read_model(tmp_path / "source.keras")
    assert model.trainable_parameters == 12
    assert [weight.name for weight in model["hidden"].weights] == ["kernel", "bias", "kernel_scale"]
