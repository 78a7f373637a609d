"""Archives without Keras: reading, mapping, writing the same bytes, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pytest

from surgery.errors import FileMissing, FileUnreadable, ModelInvalid, ModelUnsupported, PromiseBroken, RunFailed
from surgery.model.archive import open_weights, read_assets, read_model, write_archive
from surgery.model.spec import LayerSpec, WeightSpec
from surgery.model.weights import Stored
from tests.model.test_config import chain, functional, layer, source, tensor


def archive(path: Path, document: dict[str, Any], weights: dict[str, Any], version: str = "3.9.0") -> Path:
    """A `.keras` file as Keras writes it, from the groups of its HDF5 file."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, value in weights.items():
            if isinstance(value, str):
                file.require_group(name).attrs["name"] = value
            else:
                file[name] = value
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("metadata.json", json.dumps({"keras_version": version}))
        zipped.writestr("config.json", json.dumps(document))
        zipped.writestr("model.weights.h5", buffer.getvalue())
    return path


def numbers(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


WEIGHTS = {
    "layers/input_layer/vars": "x",
    "layers/dense/vars": "a",
    "layers/dense/vars/0": numbers(4, 4),
    "layers/dense/vars/1": numbers(4),
    "layers/dense_1/vars": "b",
    "layers/dense_1/vars/0": numbers(4, 2),
    "layers/dense_1/vars/1": numbers(2),
    "optimizer/vars/0": np.int64(3),
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return archive(tmp_path / "m.keras", chain(), WEIGHTS)


def copy(path: Path, target: Path) -> Path:
    with open_weights(path) as values:
        write_archive(target, read_model(path), values)
    return target


# Reading


def test_finds_every_variable(saved: Path) -> None:
    spec = read_model(saved)
    weight = spec["b"].weights[0]
    assert weight == WeightSpec("vars/0", "0", (4, 2), "float32", True, Stored("b", "vars/0", (4, 2), "float32"))
    assert spec.parameters == 30


def test_maps_values_and_does_not_let_anybody_write_to_them(saved: Path) -> None:
    with open_weights(saved) as values:
        kernel = values["a", "vars/0"]
        assert len(values) == 4
        assert ("b", "vars/1") in values
    np.testing.assert_array_equal(kernel, WEIGHTS["layers/dense/vars/0"])
    with pytest.raises(ValueError, match="read-only"):
        kernel[0] = 1


def test_reads_a_folder(saved: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(saved).extractall(tmp_path / "folder")
    assert read_model(tmp_path / "folder") == read_model(saved)
    with open_weights(tmp_path / "folder") as values:
        np.testing.assert_array_equal(values["b", "vars/1"], WEIGHTS["layers/dense_1/vars/1"])


def test_reads_chunked_and_big_endian_datasets(saved: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(saved).extractall(tmp_path / "folder")
    with h5py.File(tmp_path / "folder" / "model.weights.h5", "r+") as file:
        del file["layers/dense/vars/0"], file["layers/dense/vars/1"]
        file.create_dataset("layers/dense/vars/0", data=numbers(4, 4), chunks=(2, 2), compression="gzip")
        file.create_dataset("layers/dense/vars/1", data=numbers(4), dtype=">f4")
    copied = copy(tmp_path / "folder", tmp_path / "copy.keras")
    with open_weights(copied) as values:
        np.testing.assert_array_equal(values["a", "vars/0"], numbers(4, 4))
        np.testing.assert_array_equal(values["a", "vars/1"], numbers(4))


def test_leaves_out_the_states_of_random_generators(tmp_path: Path) -> None:
    document = functional([source(), layer("drop", "Dropout", [tensor("x")])], ["x", 0, 0], ["drop", 0, 0])
    weights = {"layers/dropout/seed_generator/vars/0": np.zeros(2, "uint32")}
    assert read_model(archive(tmp_path / "m.keras", document, weights))["drop"].weights == ()


def test_composite_layers_have_their_variables_in_the_order_of_keras(tmp_path: Path) -> None:
    document = functional([source(), layer("m", "MultiHeadAttention", [tensor("x")])], ["x", 0, 0], ["m", 0, 0])
    parts = ("_key_dense", "_output_dense", "_query_dense", "_value_dense")
    weights = {f"layers/multi_head_attention/{part}/vars/{n}": numbers(2) for part in parts for n in range(11)}
    keys = [weight.key for weight in read_model(archive(tmp_path / "m.keras", document, weights))["m"].weights]
    assert keys[:3] == ["query_dense/vars/0", "query_dense/vars/1", "query_dense/vars/2"]
    assert keys[10:12] == ["query_dense/vars/10", "key_dense/vars/0"]
    assert keys[-1] == "output_dense/vars/10"


# Refusing


def test_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        read_model(tmp_path / "none.keras")


def test_refuses_a_pipe_before_it_can_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.keras")
    with pytest.raises(FileUnreadable, match="not a regular file"):
        read_model(tmp_path / "pipe.keras")


@pytest.mark.parametrize("content", [b"", b"hello, world", b"PK\x03\x04 but no more", b"\x89HDF\r\n\x1a\n and no more"])
def test_refuses_what_is_no_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(FileUnreadable):
        read_model(tmp_path / "m.keras")


def test_refuses_a_file_that_was_cut_off(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-3000])
    with pytest.raises(FileUnreadable):
        read_model(saved)


def test_names_what_a_saved_model_is(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ModelUnsupported, match="TensorFlow SavedModel"):
        read_model(tmp_path)


def test_refuses_a_zip_without_a_model(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as zipped:
        zipped.writestr("a.txt", "b")
    with pytest.raises(ModelUnsupported, match=r"without config\.json"):
        read_model(tmp_path / "m.keras")


def test_refuses_compressed_weights(saved: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(tmp_path / "z.keras", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ModelUnsupported, match="compressed"):
        read_model(tmp_path / "z.keras")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"layers/dense_2/vars/0": numbers(2)},
            "have 4 layers and its config 3: nothing in the config belongs to dense_2",
        ),
        ({"layers/dense_1/vars": None}, "nothing at dense_1"),
        ({"layers/dense/vars": "b"}, "at the place of layer 'a' are those of a layer called 'b'"),
        ({"layers/dense/vars/3": numbers(2)}, "layer 'a' lacks a variable"),
        ({"layers/dense/vars/1": np.array([b"text"])}, "holds no numbers"),
        ({"layers/dense/vars/1": h5py.SoftLink("/layers/dense/vars/0")}, "a link in place of data"),
        ({"layers/dense/vars/1": h5py.ExternalLink("other.h5", "/x")}, "a link in place of data"),
    ],
)
def test_refuses_weights_that_contradict_the_config(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    weights = {**WEIGHTS, **change}
    gone = tuple(name for name, value in weights.items() if value is None)
    kept = {name: value for name, value in weights.items() if not name.startswith(gone)}
    with pytest.raises(ModelInvalid, match=message):
        read_model(archive(tmp_path / "m.keras", chain(), kept))


def test_refuses_shapes_that_no_bytes_stand_behind(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.keras", chain(), WEIGHTS)
    zipfile.ZipFile(path).extractall(tmp_path / "folder")
    with h5py.File(tmp_path / "folder" / "model.weights.h5", "r+") as file:
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", shape=(10**6, 10**6), dtype="float32")
    with pytest.raises(ModelInvalid, match="declares 4000000000000 bytes"):
        read_model(tmp_path / "folder")


def test_refuses_variables_outside_layers(tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match="variables of its own"):
        read_model(archive(tmp_path / "m.keras", chain(), {**WEIGHTS, "vars/0": numbers(2)}))


# Writing


def test_a_copy_is_the_same_model(saved: Path, tmp_path: Path) -> None:
    copied = copy(saved, tmp_path / "copy.keras")
    assert read_model(copied) == replace(read_model(saved), build_config={"input_shape": None})
    with open_weights(saved) as old, open_weights(copied) as new:
        assert list(old) == list(new)
        for key in old:
            np.testing.assert_array_equal(old[key], new[key])
            assert new[key].flags.aligned
    assert zipfile.ZipFile(copied).testzip() is None


def test_the_order_of_layers_in_the_spec_does_not_matter(saved: Path, tmp_path: Path) -> None:
    spec = read_model(saved)
    with open_weights(saved) as values:
        write_archive(tmp_path / "one.keras", spec, values)
        write_archive(
            tmp_path / "two.keras", replace(spec, layers=spec.layers[::-1]), dict(reversed(list(values.items())))
        )
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()


def test_the_same_content_has_the_same_bytes_in_every_process(saved: Path, tmp_path: Path) -> None:
    program = (
        "import sys, random; from dataclasses import replace; from surgery.model.archive import *\n"
        "spec = read_model(sys.argv[1]); layers = random.sample(spec.layers, len(spec.layers))\n"
        "with open_weights(sys.argv[1]) as values: write_archive(sys.argv[2], replace(spec, layers=tuple(layers)), values)"
    )
    digests = set()
    for seed in ("0", "1", "27"):
        target = tmp_path / f"{seed}.keras"
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        subprocess.run([sys.executable, "-c", program, saved, target], check=True, env=environment)
        digests.add(hashlib.sha256(target.read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "uint8", "int64", "bool", "complex64"])
def test_keeps_every_dtype_and_shape(saved: Path, tmp_path: Path, dtype: str) -> None:
    shapes = {"vars/0": (), "vars/1": (0, 3), "vars/2": (1, 5, 1), "sub/part/vars/0": (7,)}
    weights = tuple(WeightSpec(k, "w", s, dtype, True, Stored("a", k, s, dtype)) for k, s in shapes.items())
    spec = read_model(saved)
    spec = spec.with_layer("a", replace(spec["a"], weights=weights)).with_layer("b", replace(spec["b"], weights=()))
    values = {("a", key): (numbers(*shape) * 9).astype(dtype) for key, shape in shapes.items()}
    write_archive(tmp_path / "new.keras", spec, values)
    with open_weights(tmp_path / "new.keras") as again:
        assert {key: array.dtype for key, array in again.items()} == {key: np.dtype(dtype) for key in values}
        for key, array in values.items():
            np.testing.assert_array_equal(again[key], array)


def test_copies_arrays_of_any_layout(saved: Path, tmp_path: Path) -> None:
    values = {
        ("a", "vars/0"): numbers(4, 4).T,
        ("a", "vars/1"): numbers(4).astype(">f4"),
        ("b", "vars/0"): numbers(4, 4)[:, ::2],
        ("b", "vars/1"): numbers(2)[::-1],
    }
    write_archive(tmp_path / "new.keras", read_model(saved), values)
    with open_weights(tmp_path / "new.keras") as again:
        for key, array in values.items():
            np.testing.assert_array_equal(again[key], array)


@pytest.mark.parametrize("value", [None, numbers(4, 3), numbers(4, 4).astype("float64")])
def test_refuses_values_that_do_not_fit(saved: Path, tmp_path: Path, value: Any) -> None:
    with open_weights(saved) as values:
        given = {key: array for key, array in {**values, ("a", "vars/0"): value}.items() if array is not None}
        with pytest.raises(PromiseBroken):
            write_archive(tmp_path / "new.keras", read_model(saved), given)
    assert list(tmp_path.iterdir()) == [saved]


def test_a_failure_leaves_the_old_file_and_nothing_else(saved: Path, tmp_path: Path) -> None:
    before, spec = saved.read_bytes(), read_model(saved)

    def refuse(path: Path) -> None:
        assert path.suffix == ".keras"
        assert read_model(path).parameters == 30
        raise PromiseBroken("no")

    with open_weights(saved) as values, pytest.raises(PromiseBroken):
        write_archive(saved, spec, values, verify=refuse)
    with pytest.raises(PromiseBroken):
        write_archive(saved, spec, {})
    assert saved.read_bytes() == before
    assert list(tmp_path.iterdir()) == [saved]


def test_says_in_one_sentence_that_it_cannot_write(saved: Path, tmp_path: Path) -> None:
    with open_weights(saved) as values, pytest.raises(RunFailed, match="what was there before is untouched"):
        write_archive(tmp_path / "no" / "m.keras", read_model(saved), values)


def test_a_file_may_be_replaced_by_itself(saved: Path) -> None:
    copy(saved, saved)
    assert read_model(saved).parameters == 30


def test_assets_follow_their_layer(saved: Path, tmp_path: Path) -> None:
    spec = read_model(saved)
    with open_weights(saved) as values:
        write_archive(tmp_path / "new.keras", spec, values, assets={("b", "vocabulary.txt"): b"one\ntwo"})
    assert zipfile.ZipFile(tmp_path / "new.keras").read("assets/layers/dense_1/vocabulary.txt") == b"one\ntwo"
    assert read_assets(tmp_path / "new.keras") == {("b", "vocabulary.txt"): b"one\ntwo"}
    assert read_assets(saved) == {}


def test_refuses_layers_that_keras_would_drop(saved: Path, tmp_path: Path) -> None:
    spec = read_model(saved)
    loose = LayerSpec("loose", "Dense", calls=spec["a"].calls)
    with pytest.raises(ModelInvalid, match="lead to no output: loose"):
        write_archive(tmp_path / "new.keras", replace(spec, layers=(*spec.layers, loose)), {})


def test_an_archive_beyond_four_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from surgery.model.archive import zipping

    monkeypatch.setattr(zipping, "LIMIT", 1000)
    saved = archive(tmp_path / "m.keras", chain(), WEIGHTS)
    copied = copy(saved, tmp_path / "copy.keras")
    raw = copied.read_bytes()
    assert raw.count(b"PK\x06\x06") == raw.count(b"PK\x06\x07") == 1
    with zipfile.ZipFile(io.BytesIO(raw.replace((1000).to_bytes(4, "little"), b"\xff" * 4))) as zipped:
        assert zipped.testzip() is None


def test_large_models_need_little_memory(tmp_path: Path) -> None:
    """100 MB of weights are read and written in far less."""
    document = functional([source(), layer("a", "Dense", [tensor("x")])], ["x", 0, 0], ["a", 0, 0])
    path = archive(tmp_path / "m.keras", document, {"layers/dense/vars/0": numbers(5000, 5000)})
    program = (
        "import resource, sys, h5py, numpy; from surgery.model.archive import *\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak(); spec = read_model(sys.argv[1]); read = peak()\n"
        "with open_weights(sys.argv[1]) as values: write_archive(sys.argv[2], spec, values)\n"
        "print(read - before, peak() - before)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program, path, tmp_path / "n.keras"]
    result = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    read, wrote = map(int, result.stdout.split())
    assert read < 10_000
    assert wrote < 40_000


# Keras as the judge


@pytest.mark.keras
@pytest.mark.parametrize("seed", range(12))
def test_keras_finds_every_weight_where_we_put_it(seed: int, tmp_path: Path) -> None:
    import keras

    from tests.model.keras_graphs import assert_same, random_model, randomize

    random = Random(seed)
    model = random_model(random, size=10)
    randomize(model, seed)
    model.save(tmp_path / "keras.keras")
    spec = read_model(tmp_path / "keras.keras")
    shuffled = replace(spec, layers=tuple(random.sample(spec.layers, len(spec.layers))))
    with open_weights(tmp_path / "keras.keras") as values:
        write_archive(tmp_path / "ours.keras", shuffled, values)
    assert_same(model, keras.models.load_model(tmp_path / "ours.keras"))
    assert read_model(tmp_path / "ours.keras").layers == spec.layers


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_keras_reads_other_dtypes_and_quantized_layers(tmp_path: Path) -> None:
    import keras
    from keras import layers

    from tests.model.keras_graphs import assert_same

    def model(dtype: str) -> Any:
        keras.utils.set_random_seed(3)
        return keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype=dtype), layers.BatchNormalization()])

    quantized = model("float32")
    quantized.quantize("int8")
    for number, original in enumerate([model("bfloat16"), model("mixed_bfloat16"), model("float16"), quantized]):
        original.save(tmp_path / f"{number}.keras")
        ours = copy(tmp_path / f"{number}.keras", tmp_path / f"ours{number}.keras")
        assert_same(original, keras.models.load_model(ours))


@pytest.mark.keras
def test_vocabularies_come_along(tmp_path: Path) -> None:
    import keras
    from keras import layers, ops

    lookup = layers.StringLookup()
    lookup.adapt(np.array(["a", "b", "b", "c"]))
    model = keras.Sequential([keras.Input((), dtype="string"), lookup, layers.Embedding(5, 2)])
    path = tmp_path / "m.keras"
    model.save(path)
    with open_weights(path) as values:
        write_archive(tmp_path / "ours.keras", read_model(path), values, assets=read_assets(path))
    words = ops.convert_to_tensor(["a", "b", "x"])
    again = keras.models.load_model(tmp_path / "ours.keras")
    np.testing.assert_array_equal(ops.convert_to_numpy(model(words)), ops.convert_to_numpy(again(words)))


@pytest.mark.keras
def test_groups_are_named_as_keras_names_them() -> None:
    """Keras names a group after the Python class, and a config has the name that Keras exports: they agree."""
    import keras
    from keras.src.api_export import get_name_from_symbol
    from keras.src.utils.naming import to_snake_case

    from surgery.model.archive.groups import PYTHON_NAMES, snake_case

    classes = [item for item in vars(keras.layers).values() if isinstance(item, type)]
    assert len(classes) > 100
    for each in classes:
        exported = get_name_from_symbol(each).rpartition(".")[2]
        assert to_snake_case(each.__name__) == snake_case(PYTHON_NAMES.get(exported, exported))
