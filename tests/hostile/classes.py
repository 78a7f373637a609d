"""Configs that name what runs code: one builder for every public way since 2021, and for where it can be hidden."""

from __future__ import annotations

import base64
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
    sequential,
    tensor,
    write_folder,
    write_hdf5,
    write_model,
)

CLASSES: Table = {}

CODE = base64.b64encode(compile("0", "canary", "eval").co_code).decode()
"""Bytecode of the expression `0`: what a payload would stand in for."""

LAMBDA_FUNCTION: Json = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}


def lambda_layer(name: str = "payload", source: str | None = "first") -> Json:
    return layer("Lambda", name, {"function": LAMBDA_FUNCTION, "arguments": {}}, source)


def function(module: str, name: str) -> Json:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def with_layer(payload: Json, middle: str = "payload") -> Json:
    return functional(payload, middle=middle)


def in_dense(**config: Any) -> Json:
    """A Dense whose config holds the payload."""
    return with_layer(dense("payload", "first", **config))


def case(name: str, code: str, config: Json) -> None:
    """A `.keras` file with this config."""
    hostile(CLASSES, code, name)(lambda folder: write_model(folder, config))


# Lambda: CVE-2024-3660, CVE-2025-9905 (.h5), CVE-2025-9906, CVE-2026-12481, at every place where it can stand

case("lambda_in_functional", "class-lambda", with_layer(lambda_layer()))
case("lambda_in_sequential", "class-lambda", sequential(lambda_layer(source=None)))
case("lambda_in_nested_model", "class-lambda", functional({**with_layer(lambda_layer()), **dense("payload", "first")} | {
    "class_name": "Functional", "module": "keras.src.models.functional", "registered_name": "Functional",
    "config": with_layer(lambda_layer())["config"] | {"name": "payload"},
}, middle="payload"))  # fmt: skip
case("lambda_in_time_distributed", "class-lambda", with_layer(
    layer("TimeDistributed", "payload", {"layer": lambda_layer(source=None)}, "first")))  # fmt: skip
case("lambda_in_bidirectional", "class-lambda", with_layer(
    layer("Bidirectional", "payload", {"layer": keras_object("LSTM", {"units": 2}), "backward_layer": lambda_layer(source=None)},
          "first")))  # fmt: skip
case("lambda_in_pipeline", "class-lambda", with_layer(
    layer("Pipeline", "payload", {"layers": [keras_object("Rescaling", {"scale": 1}), lambda_layer(source=None)]}, "first"),
))  # fmt: skip
case(
    "lambda_in_rnn_cell",
    "class-lambda",
    with_layer(layer("RNN", "payload", {"cell": [lambda_layer(source=None)]}, "first")),
)
case("lambda_unconnected", "class-lambda", functional(lambda_layer(source="input")))
case("lambda_without_module", "class-lambda", with_layer({k: v for k, v in lambda_layer().items() if k != "module"}))
case("lambda_as_activation", "class-lambda", in_dense(activation=LAMBDA_FUNCTION))
case("lambda_as_initializer", "class-lambda", in_dense(kernel_initializer=LAMBDA_FUNCTION))
case("lambda_in_call_arguments", "class-lambda", with_layer(
    {**dense("payload", "first"), "inbound_nodes": [{"args": [tensor("first", None, 4)], "kwargs": {"mask": LAMBDA_FUNCTION}}]},
))  # fmt: skip
case("lambda_in_build_config", "class-lambda", {**functional(), "build_config": {"input_shape": LAMBDA_FUNCTION}})
case("lambda_in_metadata_of_a_list", "class-lambda", in_dense(note=[[[{"deep": [LAMBDA_FUNCTION]}]]]))
case(
    "lambda_in_compile_config",
    "class-lambda",
    {**functional(), "compile_config": {"optimizer": "sgd", "loss": LAMBDA_FUNCTION}},
)
case("lambda_shared_object", "class-lambda", with_layer({**lambda_layer(), "shared_object_id": 1}))


@hostile(CLASSES, "class-lambda")
def lambda_in_hdf5(folder: Path) -> Path:
    legacy = {
        "class_name": "Lambda",
        "config": {"name": "payload", "function": [CODE, None, None], "function_type": "lambda"},
    }
    return write_hdf5(folder, {"class_name": "Sequential", "config": {"name": "model", "layers": [legacy]}})


@hostile(CLASSES, "class-lambda")
def lambda_in_hdf5_of_keras_1(folder: Path) -> Path:
    legacy = {"class_name": "Lambda", "config": {"name": "payload", "function": [CODE, None, None]}}
    return write_hdf5(folder, {"class_name": "Sequential", "config": [legacy]})


@hostile(CLASSES, "class-lambda")
def lambda_in_folder(folder: Path) -> Path:
    return write_folder(folder, with_layer(lambda_layer()))


@hostile(CLASSES, "class-lambda")
def lambda_in_training_config(folder: Path) -> Path:
    def spoil(file: Any) -> None:
        file.attrs["training_config"] = '{"loss": {"class_name": "__lambda__", "config": {"value": "x"}}}'

    return write_hdf5(folder, functional(), spoil)


# Functions by name: CVE-2025-1550 (any module), CVE-2025-8747 (keras.utils.get_file), CVE-2025-9906 (set_global_attribute,
# enable_unsafe_deserialization), tf-keras

for _module, _name in [
    ("os", "system"),
    ("builtins", "exec"),
    ("subprocess", "run"),
    ("keras.utils", "get_file"),
    ("keras.config", "enable_unsafe_deserialization"),
    ("keras.config", "set_epsilon"),
    ("keras.src.backend.common.global_state", "set_global_attribute"),
    ("keras.models", "load_model"),
    ("keras.saving", "load_model"),
    ("keras.utils", "image_dataset_from_directory"),
    ("keras.activations", "relu"),
    ("numpy", "load"),
]:
    case(f"function_{_module}.{_name}", "class-function", in_dense(activation=function(_module, _name)))

case("function_in_lambda", "class-function", with_layer(
    layer("Lambda", "payload", {"function": function("keras.models", "load_model"), "arguments": {"safe_mode": False}}, "first"),
))  # fmt: skip
case("function_as_standardize", "class-function", with_layer(
    layer("TextVectorization", "payload", {"standardize": function("keras.utils", "get_file")}, "first")))  # fmt: skip
case("function_unknown_in_compile_config", "class-function", {
    **functional(), "compile_config": {"optimizer": "sgd", "loss": function("builtins", "eval")}})  # fmt: skip
case("function_of_losses_outside_compile_config", "class-function", in_dense(
    kernel_regularizer=function("builtins", "mean_squared_error")))  # fmt: skip

# Layers that load something else: CVE-2026-1462, CVE-2025-49655


@hostile(CLASSES, "class-foreign-model")
def saved_model_layer(folder: Path) -> Path:
    payload = layer("TFSMLayer", "payload", {"filepath": str(canary(folder)), "call_endpoint": "serve"}, "first")
    return write_model(folder, with_layer(payload))


@hostile(CLASSES, "class-foreign-model")
def saved_model_layer_in_wrapper(folder: Path) -> Path:
    inner = keras_object("TFSMLayer", {"filepath": str(canary(folder)), "call_endpoint": "serve"})
    return write_model(folder, with_layer(layer("TimeDistributed", "payload", {"layer": inner}, "first")))


case("torch_module", "class-foreign-model", with_layer(
    layer("TorchModuleWrapper", "payload", {"module": base64.b64encode(b"canary").decode()}, "first")))  # fmt: skip
case("jax_layer", "class-foreign-model", with_layer(layer("JaxLayer", "payload", {"call_fn": "f"}, "first")))
case("flax_layer", "class-foreign-model", with_layer(layer("FlaxLayer", "payload", {"module": "m"}, "first")))
case("torch_module_in_hdf5_names", "class-foreign-model", with_layer(
    {k: v for k, v in layer("TorchModuleWrapper", "payload", {"module": "AAAA"}, "first").items() if k != "module"}))  # fmt: skip

# Operations that call functions, connected and dead


def operation(class_name: str, module: str = "keras.src.ops.core", source: str | None = "first", **config: Any) -> Json:
    return layer(class_name, "payload", config, source, module=module, registered_name=class_name)


def dead_switch() -> Json:
    """The unconnected node that changed Keras' epsilon during load."""
    branches = [function("keras.config", "set_epsilon")]
    call = {"args": [0, branches, 0.5], "kwargs": {}}
    return functional({**operation("Switch", source=None), "inbound_nodes": [call]})


case("switch_unconnected", "class-control-flow", dead_switch())
case("switch_connected", "class-control-flow", with_layer(operation("Switch")))
for _operation in ("Cond", "Map", "Scan", "AssociativeScan", "WhileLoop", "ForiLoop", "VectorizedMap"):
    case(f"operation_{_operation}", "class-control-flow", with_layer(operation(_operation)))
case("operation_jvp", "class-not-allowed", with_layer(operation("JVP", "keras.src.ops.linalg", fun="f")))
case("operation_of_public_name", "class-control-flow", with_layer(operation("switch", "keras.ops")))

# Other classes

case("type_spec", "class-type-spec", in_dense(spec={
    "class_name": "__typespec__", "spec_name": "TensorSpec", "module": "tensorflow", "registered_name": None, "config": [[1]]},
))  # fmt: skip
case("custom_class", "class-custom", with_layer(layer("Evil", "payload", {}, "first", module="evil.layers")))
case(
    "custom_class_of_builtins",
    "class-not-allowed",
    with_layer(layer("object", "payload", {}, "first", module="builtins")),
)
case(
    "custom_class_subprocess",
    "class-custom",
    with_layer(layer("Popen", "payload", {"args": ["true"]}, "first", module="subprocess")),
)
case(
    "custom_class_like_keras",
    "class-custom",
    with_layer(layer("Dense", "payload", {}, "first", module="keras_evil.layers")),
)
case(
    "custom_class_keras_hub",
    "class-custom",
    with_layer(layer("Tokenizer", "payload", {}, "first", module="keras_hub.models")),
)
case("custom_registered", "class-custom", with_layer(
    {k: v for k, v in layer("evil>Layer", "payload", {}, "first").items() if k != "module"}))  # fmt: skip
case("registered_name_of_another", "class-registered-name", with_layer(
    {**dense("payload", "first"), "registered_name": "evil>Layer"}))  # fmt: skip
case(
    "callback",
    "class-not-allowed",
    in_dense(note=keras_object("BackupAndRestore", {"backup_dir": "x"}, "keras.callbacks")),
)
case("csv_logger", "class-not-allowed", in_dense(note=keras_object("CSVLogger", {"filename": "x"}, "keras.callbacks")))
case(
    "remote_monitor",
    "class-not-allowed",
    in_dense(note=keras_object("RemoteMonitor", {"root": "http://[::1]"}, "keras.callbacks")),
)
case(
    "file_editor",
    "class-not-allowed",
    with_layer(layer("KerasFileEditor", "payload", {}, "first", module="keras.saving")),
)
case(
    "export_archive",
    "class-not-allowed",
    with_layer(layer("ExportArchive", "payload", {}, "first", module="keras.export")),
)
case(
    "private_module",
    "class-not-allowed",
    with_layer(layer("Dense", "payload", {}, "first", module="keras.src.layers.core.dense")),
)
case("legacy_name_of_function", "class-custom", with_layer(
    {k: v for k, v in layer("deserialize", "payload", {}, "first").items() if k != "module"}))  # fmt: skip
case("class_name_list", "class-name-odd", in_dense(note={"class_name": ["Lambda"], "config": {}}))
case("module_number", "class-name-odd", in_dense(note={"class_name": "Dense", "module": 1, "config": {}}))
