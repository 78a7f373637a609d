"""Files of Keras 1, 2 and 3's own h5: read without Keras, and written as archives that predict the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from surgery.errors import FileUnreadable, ModelInvalid, ModelUnsupported
from surgery.model.archive import open_weights, read_model, write_archive
from surgery.model.proved import read_proved
from surgery.model.scan import require_safe
from surgery.model.spec import ModelSpec, TensorRef
from tests.real_models import REAL_MODELS, real_model

KERAS_2 = Path(__file__).parent / "keras2"
Weights = dict[str, list[Any]]


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def old_file(path: Path, model: Any, weights: Weights, version: str = "1.2.2", backend: str = "tensorflow") -> Path:
    """An `.h5` as Keras 1 and 2 wrote it."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model).encode()
        file.attrs["keras_version"] = version.encode()
        file.attrs["backend"] = backend.encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            names = [f"{layer}/{layer}_w{number}" for number in range(len(arrays))]
            inside = group.create_group(layer)
            inside.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, arrays, strict=True):
                inside[name] = array
    return path


def layer(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": list(layers)}


def values_of(path: Path) -> dict[tuple[str, str], Any]:
    with open_weights(path) as values:
        return {key: np.array(array) for key, array in values.items()}


def converted(path: Path, target: Path) -> Any:
    """What Keras loads from the archive that we write of an old file, which has to pass a scan and to be proved as any source."""
    import keras

    from surgery.execution.answers import KerasAnswers

    with open_weights(path) as values:
        write_archive(target, read_proved(path, KerasAnswers().ask), values)
    return keras.models.load_model(target)


# Keras 1


def test_keras_1_sequential(tmp_path: Path) -> None:
    path = old_file(
        tmp_path / "m.h5",
        sequential(
            layer("Dense", "d", output_dim=3, input_dim=4, batch_input_shape=[None, 4], init="glorot_uniform", bias=True,
                  W_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01}, activation="relu",
                  W_constraint={"name": "MaxNorm", "m": 2, "axis": 0}, input_dtype="float32"),
            layer("Dropout", "drop", p=0.5),
            layer("Activation", "act", activation="softmax"),
        ),
        {"d": [numbers(4, 3), numbers(3)], "drop": [], "act": []},
    )  # fmt: skip
    spec = read_model(path)
    dense = spec["d"].config
    assert (dense["units"], dense["use_bias"], dense["activation"]) == (3, True, "relu")
    assert dense["kernel_regularizer"]["class_name"] == "L1L2"
    assert dense["kernel_constraint"]["config"] == {"max_value": 2, "axis": 0}
    assert dense["kernel_initializer"]["class_name"] == "GlorotUniform"
    assert not {"output_dim", "input_dim", "input_dtype"} & set(dense)
    assert spec["drop"].config["rate"] == 0.5
    assert spec.layers[0].config["batch_shape"] == [None, 4]
    np.testing.assert_array_equal(values_of(path)["d", "vars/0"], numbers(4, 3))


@pytest.mark.parametrize(("ordering", "axes"), [("tf", (0, 1, 2, 3)), ("th", (2, 3, 1, 0))])
def test_keras_1_convolutions_have_their_axes_moved(tmp_path: Path, ordering: str, axes: tuple[int, ...]) -> None:
    kernel = numbers(3, 3, 2, 5) if ordering == "tf" else numbers(5, 2, 3, 3)
    path = old_file(
        tmp_path / "m.h5",
        sequential(
            layer("Convolution2D", "c", nb_filter=5, nb_row=3, nb_col=3, subsample=[2, 2], border_mode="same", bias=True,
                  dim_ordering=ordering, batch_input_shape=[None, 8, 8, 2] if ordering == "tf" else [None, 2, 8, 8]),
            layer("MaxPooling2D", "p", pool_size=[2, 2], border_mode="valid", dim_ordering=ordering),
        ),
        {"c": [kernel, numbers(5)]},
    )  # fmt: skip
    config = read_model(path)["c"].config
    assert (config["filters"], config["kernel_size"], config["strides"]) == (5, [3, 3], [2, 2])
    assert config["data_format"] == ("channels_last" if ordering == "tf" else "channels_first")
    np.testing.assert_array_equal(values_of(path)["c", "vars/0"], np.transpose(kernel, axes))


def test_keras_1_convolutions_in_one_dimension(tmp_path: Path) -> None:
    arguments = {"nb_filter": 5, "filter_length": 3, "batch_input_shape": [None, 8, 2]}
    model = sequential(layer("Convolution1D", "c", **arguments))
    path = old_file(tmp_path / "m.h5", model, {"c": [numbers(3, 1, 2, 5), numbers(5)]})
    np.testing.assert_array_equal(values_of(path)["c", "vars/0"], numbers(3, 1, 2, 5)[:, 0])
    older = old_file(tmp_path / "older.h5", model, {"c": [numbers(5, 2, 3, 1), numbers(5)]})
    np.testing.assert_array_equal(values_of(older)["c", "vars/0"], numbers(5, 2, 3, 1).transpose(2, 3, 1, 0)[:, 0])
    assert read_model(older)["c"].weights[0].shape == (3, 2, 5)


@pytest.mark.parametrize(("class_name", "gates", "order"), [("LSTM", 4, (0, 2, 1, 3)), ("GRU", 3, (0, 1, 2))])
def test_keras_1_gates_are_joined(tmp_path: Path, class_name: str, gates: int, order: tuple[int, ...]) -> None:
    arguments = {"output_dim": 2, "inner_activation": "sigmoid", "inner_init": "orthogonal", "consume_less": "cpu"}
    model = sequential(layer(class_name, "r", batch_input_shape=[None, 5, 3], **arguments))
    flat = [
        numbers(*shape, seed=gate * 3 + n) for gate in range(gates) for n, shape in enumerate([(3, 2), (2, 2), (2,)])
    ]
    path = old_file(tmp_path / "m.h5", model, {"r": flat})
    values = values_of(path)
    for part in range(3):
        expected = np.concatenate([flat[gate * 3 + part] for gate in order], axis=-1)
        np.testing.assert_array_equal(values["r", f"cell/vars/{part}"], expected)
    config = read_model(path)["r"].config
    assert (config["units"], config["recurrent_activation"]) == (2, "sigmoid")
    assert config.get("reset_after") is (False if class_name == "GRU" else None)


def test_keras_1_merge_of_two_chains_becomes_a_graph(tmp_path: Path) -> None:
    branches = [
        sequential(layer("Dense", name, output_dim=3, batch_input_shape=[None, 4])) for name in ("left", "right")
    ]
    model = sequential(
        layer("Merge", "m", layers=branches, mode="concat", concat_axis=1), layer("Dense", "d", output_dim=2)
    )
    weights = {name: [numbers(4, 3), numbers(3)] for name in ("left", "right")} | {"d": [numbers(6, 2), numbers(2)]}
    spec = read_model(old_file(tmp_path / "m.h5", model, weights))
    assert spec.class_name == "Functional"
    assert spec.inputs == [TensorRef("left_input"), TensorRef("right_input")]
    assert spec["m"].class_name == "Concatenate"
    assert spec["m"].inbound == ("left", "right")
    assert spec.parameters == 15 + 15 + 14


@pytest.mark.keras
def test_keras_1_models_predict(tmp_path: Path) -> None:
    import keras

    model = sequential(
        layer("Embedding", "e", input_dim=9, output_dim=4, init="uniform", batch_input_shape=[None, 6], input_length=6),
        layer("Convolution1D", "c", nb_filter=4, filter_length=3, border_mode="same", activation="tanh"),
        layer("LSTM", "r", output_dim=3, inner_activation="sigmoid", activation="tanh", return_sequences=True),
        layer("TimeDistributedDense", "t", output_dim=2),
        layer("BatchNormalization", "b", mode=0, axis=-1, epsilon=1e-3),
        layer("Flatten", "f"),
        layer("Dense", "d", output_dim=2),
    )
    gates = [numbers(*shape, seed=gate * 3 + n) for gate in range(4) for n, shape in enumerate([(4, 3), (3, 3), (3,)])]
    normal = [abs(numbers(2, seed=n)) for n in range(4)]
    weights = {
        "e": [numbers(9, 4)],
        "c": [numbers(3, 1, 4, 4), numbers(4)],
        "r": gates,
        "t": [numbers(3, 2), numbers(2)],
        "b": normal,
        "d": [numbers(12, 2), numbers(2)],
    }
    loaded = converted(old_file(tmp_path / "m.h5", model, weights), tmp_path / "m.keras")
    plain = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Embedding(9, 4),
            keras.layers.Conv1D(4, 3, padding="same", activation="tanh"),
            keras.layers.LSTM(3, return_sequences=True),
            keras.layers.TimeDistributed(keras.layers.Dense(2)),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    joined = [np.concatenate([gates[gate * 3 + part] for gate in (0, 2, 1, 3)], axis=-1) for part in range(3)]
    flat = [*weights["e"], weights["c"][0][:, 0], weights["c"][1], *joined, *weights["t"], *normal, *weights["d"]]
    plain.set_weights(flat)
    words = np.arange(12).reshape(2, 6) % 9
    np.testing.assert_array_equal(plain.predict(words, verbose=0), loaded.predict(words, verbose=0))


# Keras 2


@pytest.mark.keras
@pytest.mark.parametrize("name", sorted(p.name for p in KERAS_2.glob("*.*") if p.suffix in (".h5", ".keras")))
def test_models_of_keras_2_predict_what_they_predicted(name: str, tmp_path: Path) -> None:
    """Most of these Keras 3 itself cannot load: nested models, recurrent layers, separable convolutions, attention."""
    if name == "refused.h5":
        pytest.skip("refused: see test_names_everything_that_keras_3_does_not_have")
    model = converted(KERAS_2 / name, tmp_path / "m.keras")
    data = np.load((KERAS_2 / name).with_suffix(".npz"))
    inputs = [data[key] for key in data if key.startswith("x")]
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    for number, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        np.testing.assert_allclose(output, data[f"y{number}"], rtol=1e-5, atol=1e-6)


def test_frozen_layers_of_nested_models_do_not_change_whose_weights_are_whose() -> None:
    for file in ("nested.h5", "nested_frozen.h5"):
        values, model = values_of(KERAS_2 / file), read_model(KERAS_2 / file).model_at("inner")
        inner = [layer for layer in model.listed if layer.weights]
        assert [len(layer.weights) for layer in inner] == [2, 2, 4]
        assert values[f"inner/{inner[2].name}", "vars/3"].min() >= 0.5


def test_slashes_in_names_become_something_that_keras_3_allows() -> None:
    spec = read_model(KERAS_2 / "functional.h5")
    assert "scope_a" in spec.by_name
    assert len(spec["scope_a"].weights) == 2


@pytest.mark.parametrize("file", ["radial.h5", "radial.keras"])
def test_a_constraint_that_keras_3_does_not_have_is_left_out_and_said(file: str) -> None:
    spec = read_model(KERAS_2 / file)
    config = next(layer.config for layer in spec.layers if layer.class_name == "Conv2D")
    assert config["kernel_constraint"] is None
    assert config["bias_constraint"]["class_name"] == "UnitNorm"
    assert ["RadialConstraint of the layer" in note for note in spec.notes] == [True]


def test_theano_turned_kernels_around(tmp_path: Path) -> None:
    arguments = {"filters": 5, "kernel_size": [3, 3], "batch_input_shape": [None, 8, 8, 2]}
    document = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer("Conv2D", "c", **arguments)]}}
    path = old_file(tmp_path / "m.h5", document, {"c": [numbers(3, 3, 2, 5), numbers(5)]}, "2.2.4", "theano")
    np.testing.assert_array_equal(values_of(path)["c", "vars/0"], numbers(3, 3, 2, 5)[::-1, ::-1])


# Refusing


def test_names_everything_that_keras_3_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match=r"the operation tf\.compat\.v1\.shape of .*nn\.crelu of "):
        read_model(KERAS_2 / "refused.h5")
    model = sequential(
        layer("MaxoutDense", "m", output_dim=3, batch_input_shape=[None, 4]),
        layer("Dense", "d", units=3, shiny=True, activation="sparkle", kernel_initializer="magic"),
        layer("BatchNormalization", "b", mode=1),
    )
    with pytest.raises(ModelUnsupported) as caught:
        read_model(old_file(tmp_path / "m.h5", model, {}))
    for part in ("MaxoutDense", "shiny=True", "sparkle", "magic", "mode other than 0"):
        assert part in caught.value.what


def test_custom_classes_stay_what_they_are(tmp_path: Path) -> None:
    arguments = {"batch_input_shape": [None, 4], "gain": 2}
    document = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer("pack>Gain", "g", **arguments)]}}
    spec = read_model(old_file(tmp_path / "m.h5", document, {"g": [numbers(4)]}, "2.9.0"))
    assert (spec["g"].class_name, spec["g"].registered_name, spec["g"].config["gain"]) == ("Gain", "pack>Gain", 2)


def test_refuses_weights_without_a_model(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["layers/dense/vars/0"] = numbers(3)
    with pytest.raises(ModelUnsupported, match="holds weights and no model"):
        read_model(tmp_path / "m.h5")


def test_refuses_a_subclassed_model(tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match="subclassed model"):
        read_model(old_file(tmp_path / "m.h5", {"class_name": "MyModel", "config": {"units": 3}}, {}, "2.9.0"))


def test_refuses_weights_of_layers_that_are_not_there(tmp_path: Path) -> None:
    model = sequential(layer("Dense", "d", output_dim=3, batch_input_shape=[None, 4]))
    with pytest.raises(ModelInvalid, match="weights of a layer 'other'"):
        read_model(old_file(tmp_path / "m.h5", model, {"other": [numbers(3)]}))


@pytest.mark.parametrize("names", [["f", "f"], ["f", "/f"], ["f", "./f"], ["f//", "f"]])
def test_refuses_a_layer_that_is_listed_twice(tmp_path: Path, names: list[str]) -> None:
    path = old_file(tmp_path / "m.h5", sequential(layer("Flatten", "f", batch_input_shape=[None, 4])), {"f": []})
    with h5py.File(path, "r+") as file:
        file["model_weights"].attrs["layer_names"] = [name.encode() for name in names]
    with pytest.raises(ModelInvalid, match="names something twice in layer_names"):
        read_model(path)


def test_refuses_a_damaged_file(tmp_path: Path) -> None:
    path = old_file(tmp_path / "m.h5", sequential(layer("Flatten", "f", batch_input_shape=[None, 4])), {})
    with h5py.File(path, "r+") as file:
        del file["model_weights"]
    with pytest.raises(FileUnreadable, match="is damaged"):
        read_model(path)


# Keras 3's own h5


@pytest.mark.keras
def test_h5_of_keras_3(tmp_path: Path) -> None:
    import keras
    from keras import layers

    from tests.model.keras_graphs import assert_same, randomize

    i = keras.Input((6,))
    frozen = layers.Dense(6, name="frozen", trainable=False)
    inner = keras.Model(i, layers.BatchNormalization()(layers.Dense(6)(frozen(i))), name="inner")
    chain = keras.Sequential([keras.Input((6,)), layers.Dense(6), layers.LeakyReLU(0.1)], name="chain")
    shared, x = layers.Dense(6, name="shared"), keras.Input((6,))
    model = keras.Model(x, [layers.Dense(3)(chain(inner(inner(shared(shared(x)))))), inner(x)])
    randomize(model)
    model.save(tmp_path / "m.h5")
    assert_same(model, converted(tmp_path / "m.h5", tmp_path / "m.keras"))


# Real models


def real_spec(model: str) -> tuple[Path, ModelSpec]:
    path = real_model(model)
    return path, read_model(path)


@pytest.mark.real
@pytest.mark.parametrize("model", REAL_MODELS)
def test_reads_real_models(model: str) -> None:
    path, spec = real_spec(model)
    with open_weights(path) as values:
        assert sum(array.size for array in values.values()) == spec.parameters > 1000


@pytest.mark.real
@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`:UserWarning")
@pytest.mark.filterwarnings(r"ignore:.*\sThe structure of `inputs`:UserWarning", "ignore:The structure of:UserWarning")
@pytest.mark.parametrize("model", REAL_MODELS)
def test_real_models_predict_the_same(model: str, tmp_path: Path) -> None:
    import keras

    path, spec = real_spec(model)
    ours = converted(path, tmp_path / "m.keras")
    theirs = keras.models.load_model(path, compile=False)
    shape = spec.layers[0].outputs[0].shape[1:]
    data = np.random.default_rng(0).normal(size=(2, *(n or 8 for n in shape))).astype("float32")
    np.testing.assert_array_equal(ours.predict(data, verbose=0), theirs.predict(data, verbose=0))


# The archives of Keras 2.12 to 2.14


def in_names_of_keras_2_12(source: Path, target: Path, twice: bool) -> Path:
    """The same archive with the groups that Keras 2.12 to 2.14 wrote: in another one; until 2.13 those with weights counted twice."""
    import io
    import re
    import zipfile

    def copy(old: Any, new: Any) -> None:
        for key, value in old.items():
            if not isinstance(value, h5py.Group):
                old.copy(value, new, key)
            elif key == "layers":
                renamed(value, new.create_group("_layer_checkpoint_dependencies"))
            else:
                copy(value, new.create_group(key))

    def renamed(old: Any, new: Any) -> None:
        numbered = {name: re.fullmatch(r"(.*?)(?:_(\d+))?", name) for name in old}
        classes: dict[str, list[tuple[int, str]]] = {}
        for name, found in numbered.items():
            assert found
            is_number = found[2] and (found[1] in old or f"{found[1]}_1" in old)
            classes.setdefault(found[1] if is_number else name, []).append((int(found[2]) if is_number else 0, name))
        for snake, names in classes.items():
            count = 0
            for _, name in sorted(names):
                has_weights: list[Any] = []
                old[name].visititems(
                    lambda _, item, found=has_weights: found.append(item) if isinstance(item, h5py.Dataset) else None
                )
                copy(old[name], new.create_group(f"{snake}_{count}" if count else snake))
                count += 2 if has_weights and twice else 1

    with zipfile.ZipFile(source) as had, zipfile.ZipFile(target, "w") as archive:
        data = io.BytesIO()
        with h5py.File(io.BytesIO(had.read("model.weights.h5"))) as old, h5py.File(data, "w") as new:
            copy(old, new)
        archive.writestr("config.json", had.read("config.json").replace(b"tf_keras.src.engine", b"keras.engine"))
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.12.0"}))
        archive.writestr("model.weights.h5", data.getvalue())
    return target


@pytest.mark.parametrize("name", ["nested", "recurrent", "attention", "wrapped", "images", "numbers", "halves"])
@pytest.mark.parametrize("twice", [True, False])
def test_archives_of_keras_2_12_have_the_same_weights(name: str, twice: bool, tmp_path: Path) -> None:
    path = in_names_of_keras_2_12(KERAS_2 / f"{name}.keras", tmp_path / "m.keras", twice)
    require_safe(path)
    found, expected = values_of(path), values_of(KERAS_2 / f"{name}.keras")
    assert found.keys() == expected.keys()
    for variable in expected:
        np.testing.assert_array_equal(found[variable], expected[variable])


@pytest.mark.keras
@pytest.mark.parametrize("name", ["wrapped", "recurrent"])
def test_models_in_wrappers_have_shapes_and_variables_without_keras(name: str) -> None:
    from surgery.execution.answers import KerasAnswers
    from surgery.model import shapes
    from surgery.model.prove import prove

    spec = prove(read_model(KERAS_2 / f"{name}.h5"), again=True)
    wrappers = [layer for layer in spec.layers if layer.class_name in ("TimeDistributed", "SpectralNormalization")]
    assert wrappers
    for wrapper in wrappers:
        call = wrapper.calls[0]
        ours, keras = shapes.build(wrapper, call.inputs, call), KerasAnswers().ask(wrapper, call.inputs, call)
        assert ours is not None
        assert ours.outputs == keras.outputs
        found = [(one.key, one.shape, one.dtype, one.trainable) for one in ours.variables]
        assert sorted(found) == sorted((one.key, one.shape, one.dtype, one.trainable) for one in keras.variables)
