"""Configs whose JSON, values, names, graph or sizes are hostile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.hostile.model import (
    Json,
    Table,
    canary,
    dense,
    functional,
    hostile,
    keras_object,
    layer,
    metadata,
    sequential,
    tensor,
    write_folder,
    write_hdf5,
    write_model,
    write_zip,
)

CONFIGS: Table = {}


def case(name: str, code: str, config: Json | bytes) -> None:
    hostile(CONFIGS, code, name)(lambda folder: write_model(folder, config))


def text(old: str, new: str) -> bytes:
    """The genuine config with a piece of its text replaced."""
    genuine = json.dumps(functional())
    assert old in genuine
    return genuine.replace(old, new, 1).encode()


def with_layer(payload: Json) -> Json:
    return functional(payload, middle="payload")


# JSON

case("json_deep_lists", "json-too-deep", text('"trainable": true', f'"trainable": {"[" * 5000}{"]" * 5000}'))
case("json_deep_and_open", "json-too-deep", b"[" * 100_000)
case("json_deep_objects", "json-too-deep", text('"trainable": true', f'"trainable": {"""{"a":""" * 300}1{"}" * 300}'))
case("json_large", "json-too-large", b'{"a": "' + b" " * (17 << 20) + b'"}')
case("json_many_values", "json-too-large", b'{"a": [' + b"[]," * 1_000_000 + b"[]]}")
case(
    "json_duplicate_key",
    "json-duplicate-key",
    text('"class_name": "Functional"', '"class_name": "Lambda", "class_name": "Functional"'),
)
case("json_nan", "json-number", text('"trainable": true', '"trainable": NaN'))
case("json_infinity", "json-number", text('"trainable": true', '"trainable": -Infinity'))
case("json_huge_integer", "json-number", text('"trainable": true', f'"trainable": {"9" * 5000}'))
case("json_huge_float", "json-number", text('"trainable": true', '"trainable": 1e999'))
case("json_utf_16", "json-encoding", json.dumps(functional()).encode("utf-16"))
case("json_not_utf_8", "json-encoding", text('"name": "model"', '"name": "mXdel"').replace(b"mXdel", b"m\xffdel"))
case("json_surrogate", "json-encoding", text('"name": "model"', '"name": "\\ud800"'))
case("json_cut_off", "json-invalid", json.dumps(functional()).encode()[:-20])
case("json_trailing", "json-invalid", json.dumps(functional()).encode() + b"{}")
case("json_empty", "json-invalid", b"")
case("json_list", "json-not-an-object", b"[]")
case("json_null", "json-not-an-object", b"null")


@hostile(CONFIGS, "json-duplicate-key")
def json_in_metadata(folder: Path) -> Path:
    path = write_model(folder)
    import zipfile

    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    return write_zip(path, {**content, "metadata.json": metadata()[:-1] + b', "keras_version": "1"}'})


@hostile(CONFIGS, "json-too-deep")
def json_deep_in_hdf5(folder: Path) -> Path:
    return write_hdf5(folder, "[" * 50_000)


@hostile(CONFIGS, "json-too-large")
def json_large_in_folder(folder: Path) -> Path:
    return write_folder(folder, b" " * (17 << 20))


# Vocabularies: CVE-2025-12058


@hostile(CONFIGS, "vocabulary-file")
def vocabulary_file(folder: Path) -> Path:
    payload = layer("StringLookup", "payload", {"vocabulary": str(canary(folder))}, "first")
    return write_model(folder, with_layer(payload))


@hostile(CONFIGS, "vocabulary-file")
def vocabulary_file_in_sequential_of_hdf5(folder: Path) -> Path:
    payload = {"class_name": "TextVectorization", "config": {"name": "payload", "vocabulary": str(canary(folder))}}
    return write_hdf5(folder, {"class_name": "Sequential", "config": {"name": "model", "layers": [payload]}})


case("vocabulary_file_of_integers", "vocabulary-file", with_layer(
    layer("IntegerLookup", "payload", {"vocabulary": "/etc/hostname"}, "first")))  # fmt: skip
case("vocabulary_weights_file", "vocabulary-file", with_layer(
    layer("StringLookup", "payload", {"vocabulary": ["a"], "idf_weights": "weights.txt"}, "first")))  # fmt: skip
case("vocabulary_url", "vocabulary-url", with_layer(
    layer("StringLookup", "payload", {"vocabulary": "http://169.254.169.254/latest"}, "first")))  # fmt: skip
case("vocabulary_bucket", "vocabulary-url", with_layer(
    layer("TextVectorization", "payload", {"vocabulary": "gs://bucket/words.txt"}, "first")))  # fmt: skip
case("vocabulary_bytes", "vocabulary-odd", with_layer(layer("StringLookup", "payload", {
    "vocabulary": {"class_name": "__bytes__", "config": {"value": "/etc/hostname"}}}, "first")))  # fmt: skip

# Serialized values


def value(class_name: str, **config: Any) -> Json:
    return with_layer(dense("payload", "first", note={"class_name": class_name, "config": config}))


case("tensor_of_objects", "value-malformed", value("__numpy__", value=[["a"]], dtype="object"))
case("tensor_of_strings", "value-malformed", value("__tensor__", value=["a"], dtype="string"))
case("tensor_of_dicts", "value-malformed", value("__tensor__", value=[{}], dtype="float32"))
case("bytes_of_list", "value-malformed", value("__bytes__", value=[1]))
case("slice_of_strings", "value-malformed", value("__slice__", start="a", stop=1, step=1))
case(
    "history_negative",
    "value-malformed",
    value("__keras_tensor__", shape=[1], dtype="float32", keras_history=["a", -1, 0]),
)
case("ellipsis_with_content", "value-malformed", value("__ellipsis__", code="0"))

# Names


for _name, _code in [
    ("../../escape", "name-parent"),
    ("..", "name-parent"),
    ("a..b", "name-parent"),
    ("a/b", "name-separator"),
    ("a\\b", "name-separator"),
    ("/etc/cron.d/x", "name-separator"),
    ("a\nb", "name-control"),
    ("a\x1b[2Jb", "name-control"),
    ("a\x00b", "name-control"),
    ("a\u202eb", "name-control"),
    ("a\u200bb", "name-control"),
    ("a\u200db", "name-control"),
    ("\u0645\u200c", "name-control"),
    ("a\u00adb", "name-control"),
    ("a\ue000b", "name-control"),
    ("a\U0010fffdb", "name-control"),
    ("a\u0378b", "name-control"),
    ("a\ufdd0b", "name-control"),
    ("a\U000e0041b", "name-control"),
    ("x" * 256, "name-length"),
    ("", "name-length"),
]:
    _label = _name.encode("unicode_escape").decode().replace("/", "|")[:16] or "empty"
    case(f"name_{_label}", _code, functional(dense(_name, "first"), middle=_name))
case("name_of_nested_config", "name-separator", sequential(keras_object("Dense", {"units": 4, "name": "a/b"})))
case("name_number", "name-type", functional(dense(7, "first"), middle="first"))  # type: ignore[arg-type]

# The graph


def eager(class_name: str, *arguments: Any) -> Json:
    found = layer(class_name, "payload", {}, None, module="keras.src.ops.numpy", registered_name=class_name)
    return {**found, "inbound_nodes": [{"args": list(arguments), "kwargs": {}}]}


case("graph_dead_layer", "graph-unconnected", functional(dense("payload", "input")))
case("graph_dead_operation", "graph-unconnected", functional(eager("Tile", 1.0, [1_000_000_000])))
case("graph_eager_operation", "graph-call-without-tensor", functional(
    {**eager("Add", 1.0, 1.0), "inbound_nodes": [
        {"args": [1.0, 2.0], "kwargs": {}}, {"args": [tensor("first", None, 4), 1.0], "kwargs": {}}]},
    middle="payload"))  # fmt: skip
case(
    "graph_same_name_twice",
    "graph-name-twice",
    functional(dense("payload", "first"), dense("payload", "first"), middle="payload"),
)
case("graph_tensor_from_nowhere", "graph-unknown-layer", functional(dense("payload", "nowhere"), middle="payload"))
case("graph_output_from_nowhere", "graph-unknown-layer", functional(output="nowhere"))
case("graph_dead_layer_in_nested_model", "graph-unconnected", functional({
    **functional(dense("deep", "input")), "name": "payload", "inbound_nodes": dense("x", "first")["inbound_nodes"]},
    middle="payload"))  # fmt: skip


@hostile(CONFIGS, "graph-unconnected")
def graph_dead_layer_in_hdf5(folder: Path) -> Path:
    def old(class_name: str, name: str, *sources: str) -> Json:
        calls = [[[source, 0, 0, {}] for source in sources]] if sources else []
        return {"class_name": class_name, "config": {"name": name}, "name": name, "inbound_nodes": calls}

    layers = [old("InputLayer", "input"), old("Dense", "last", "input"), old("Dense", "payload", "input")]
    config = {"name": "m", "layers": layers, "input_layers": [["input", 0, 0]], "output_layers": [["last", 0, 0]]}
    return write_hdf5(folder, {"class_name": "Functional", "config": config})


# Sizes: 17 kB that cost gigabytes


def declared(class_name: str, inputs: int, **config: Any) -> Json:
    build = {"input_shape": [None, inputs]}
    return with_layer(layer(class_name, "payload", config, "first", build_config=build))


case("shape_dense", "shape-bomb", declared("Dense", 10, units=100_000_000))
case("shape_dense_wide_input", "shape-bomb", declared("Dense", 100_000_000, units=10))
case("shape_embedding", "shape-bomb", declared("Embedding", 1, input_dim=1_000_000, output_dim=100_000))
case("shape_convolution", "shape-bomb", declared("Conv2D", 3, filters=10_000_000, kernel_size=[9, 9]))
case("shape_lstm", "shape-bomb", declared("LSTM", 4, units=1_000_000))
case("shape_attention", "shape-bomb", declared("MultiHeadAttention", 512, num_heads=1000, key_dim=1_000_000))
case("shape_batch_normalization", "shape-bomb", declared("BatchNormalization", 1_000_000_000))
case(
    "shape_separable",
    "shape-bomb",
    declared("SeparableConv2D", 3, filters=1, kernel_size=[3, 3], depth_multiplier=100_000_000),
)
case("shape_recurrent_convolution", "shape-bomb", declared("ConvLSTM2D", 3, filters=100_000, kernel_size=[3, 3]))
case("shape_einsum", "shape-bomb", declared("EinsumDense", 4, equation="ab,bc->ac", output_shape=[100_000_000]))
case("shape_wrapped", "shape-bomb", with_layer(layer("Bidirectional", "payload", {
    "layer": keras_object("GRU", {"units": 1_000_000})}, "first")))  # fmt: skip
case("shape_many_layers", "shape-bomb", sequential(*[
    keras_object("Dense", {"units": 4000, "name": f"d{i}"}, build_config={"input_shape": [None, 4000]}) for i in range(100)]),
)  # fmt: skip


def fed_with(inputs: int, units: int) -> Json:
    """A layer that says it was built for four values, in a model that feeds it many more."""
    found = functional()
    found["config"]["layers"][0]["config"]["batch_shape"] = [None, inputs]
    found["config"]["layers"][1]["config"]["units"] = units
    return found


case("shape_lie_about_input", "shape-bomb-by-inputs", fed_with(1_000_000, 1000))
case("shape_negative", "shape-odd", declared("Dense", 4, units=-1))
case("shape_text", "shape-odd", declared("Dense", 4, units="4; 5"))
case("shape_fraction", "shape-odd", declared("Conv1D", 4, filters=2.5, kernel_size=[1]))


@hostile(CONFIGS, "shape-bomb")
def shape_in_hdf5(folder: Path) -> Path:
    payload = {"class_name": "Dense", "config": {"name": "payload", "units": 100_000_000}}
    return write_hdf5(folder, {"class_name": "Sequential", "config": {"name": "model", "layers": [payload]}})


case("metric_thresholds", "metric-too-large", {**functional(), "compile_config": {
    "optimizer": "sgd", "metrics": [keras_object("AUC", {"num_thresholds": 10_000_000_000}, "keras.metrics")]}})  # fmt: skip
case("metric_classes", "metric-too-large", with_layer(dense("payload", "first", note=keras_object(
    "MeanIoU", {"num_classes": 1_000_000}, "keras.metrics"))))  # fmt: skip


def called(label: str, class_name: str, *arguments: Any, code: str = "graph-argument", **config: Any) -> None:
    """An operation in the middle of the model, called with the output of the first layer and these arguments."""

    def build(folder: Path) -> Path:
        made = layer(class_name, "op", config, module="keras.src.ops.numpy")
        made["inbound_nodes"] = [{"args": [tensor("first", None, 4), *arguments], "kwargs": {}}]
        return write_model(folder, functional(made, middle="op"))

    hostile(CONFIGS, code, f"argument_{label}")(build)


called("repeat", "Repeat", 10**12)
called("repeat_list", "Repeat", [1] * 100_000)
called("repeat_config", "Repeat", repeats=[1] * 100_000)
called("tile", "Tile", [1, 10**15])
called("pad", "Pad", [[0, 0], [0, 10**15]])
called("reshape", "Reshape", [10**15, -1])
called("expand", "ExpandDims", list(range(20_000)))
called("transpose", "Transpose", [0, 1] * 10_000)


@hostile(CONFIGS, "json-duplicate-key")
def one_key_of_very_many_twice(folder: Path) -> Path:
    """Counting each of them would take the square of their number."""
    document = functional()
    document["config"]["layers"][1]["config"].update({f"k{number}": number for number in range(100_000)})
    text = json.dumps(document).replace('"k99999"', '"k99998"')
    return write_model(folder, text.encode())
