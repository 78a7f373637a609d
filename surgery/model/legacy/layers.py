"""One layer of an old config as Keras 3 writes it: class, arguments, and what has gone since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from surgery.model import catalogue
from surgery.model.config import from_config, to_config
from surgery.model.config.nodes import is_functional
from surgery.model.legacy.objects import Problems, convert_activation, convert_dtype, convert_object, is_custom
from surgery.model.prove import prove

Config = dict[str, Any]

CLASSES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "SyncBatchNormalization": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
}
"""Classes that Keras 3 has under another name, or as a case of another class."""

HARMLESS = frozenset(
    {
        "adjustment", "batch_input_shape", "batch_size", "consume_less", "dynamic", "experimental_autocast", "fused",
        "implementation", "input_dim", "input_dtype", "input_length", "input_shape", "key_shape", "query_shape", "ragged",
        "renorm", "rng_type", "softmax_robust_masking", "sparse", "time_major", "type_spec", "value_shape", "virtual_batch_size",
        "weights",
    }
)  # fmt: skip
"""Arguments that Keras 3 dropped because they changed how a layer computes and not what, or that the graph says again."""

RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
WITH_KERNEL = frozenset({
    "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "Dense", "DepthwiseConv1D",
    "DepthwiseConv2D", "EinsumDense",
})  # fmt: skip
"""Classes that end in an activation, and in which every weight is a factor or a summand of what it gets."""
SEPARABLE = frozenset({"SeparableConv1D", "SeparableConv2D"})
"""Such classes in which the first kernel is a factor of the second one."""
INTS = (int, float)


def convert_layer(document: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """A layer's `class_name` and `config` as Keras 3 has them. Nested models are not for here.

    Args:
        document: The layer, of Keras 2 or of Keras 3's own h5.
        problems: Gets what Keras 3 does not have.
    """
    old = str(document["class_name"])
    name = CLASSES.get(old, old)
    config = dict(document.get("config") or {})
    where = f"the layer '{config.get('name', name)}'"
    if is_custom(name):
        module, registered = document.get("module"), document.get("registered_name") or (name if ">" in name else None)
        return {
            "module": module,
            "class_name": name.rpartition(">")[2],
            "config": config,
            "registered_name": registered,
        }
    found = catalogue.find("layers", name)
    if found is None:
        problems.add(f"the class {old}, of {where}")
        return {"module": "keras.layers", "class_name": name, "config": config, "registered_name": None}
    if old == "RandomCrop" and "data_format" not in config:  # Keras 3 states it
        problems.add(f"{where} ({old}), which resizes images outside training, and in Keras 3 leaves them as they are")
    if config.get("interpolation") in ("gaussian", "mitchellcubic"):
        problems.add(f"the interpolation {config['interpolation']} of {where} ({old})")
    if found.unsafe:  # the catalogue knows none of its arguments, for a recipe cannot write it
        return {"module": found.module, "class_name": found.name, "config": config, "registered_name": None}
    if old in SPECIAL:
        SPECIAL[old](config)
    if name in SPECIAL and name != old:
        SPECIAL[name](config)
    config = _known_arguments(found, config, where, problems)
    return {"module": found.module, "class_name": found.name, "config": config, "registered_name": None}


def _known_arguments(found: catalogue.KerasClass, config: Config, where: str, problems: Problems) -> Config:
    converted = {}
    for key, value in config.items():
        if key in found.arguments or key in found.config:
            converted[key] = _value(found, key, value, where, problems)
        elif (
            key not in (*HARMLESS, *found.omits) and value not in (None, False, [], {}) and not _is_default(key, value)
        ):
            problems.add(f"the argument {key}={value!r} of {where} ({found.name})")
    return converted


def _is_default(key: str, value: Any) -> bool:
    """Arguments that old Keras wrote for classes which never used them."""
    return key.endswith(("_initializer", "_regularizer", "_constraint")) or (key == "groups" and value == 1)


def _value(found: catalogue.KerasClass, key: str, value: Any, where: str, problems: Problems) -> Any:
    for kind in ("initializer", "regularizer", "constraint"):
        if key.endswith(f"_{kind}") and key != "activity_initializer":
            return convert_object(kind, value, where, problems)
    if key in ("activation", "recurrent_activation"):
        value = convert_activation(value, where, problems)
        is_layer = isinstance(value, Mapping) and value.get("class_name") != "function"
        return convert_any(value, problems) if is_layer else value
    if key == "dtype":
        return value or "float32" if found.name == "InputLayer" else convert_dtype(value)
    return convert_any(value, problems) if key in ("layer", "backward_layer", "cell", "cells") else value


def convert_any(value: Any, problems: Problems) -> Any:
    """A layer inside a layer's config, a list of them, or a nested model."""
    from surgery.model.legacy.keras2 import convert_document

    if isinstance(value, list):
        return [convert_any(item, problems) for item in value]
    if not isinstance(value, Mapping) or "class_name" not in value:
        return value
    converted = convert_document(value, problems)
    return _with_shapes(converted) if is_functional(converted) and not problems.found else converted


def _with_shapes(model: Mapping[str, Any]) -> dict[str, Any]:
    """A graph in a wrapper's config, which no shape is added to later: Keras 3 wants them stated."""
    return to_config(prove(from_config(model), again=True, lenient=True))


def _input_layer(config: Config) -> None:
    shape = config.pop("batch_input_shape", None)
    if shape is not None and "batch_shape" not in config:
        config["batch_shape"] = shape
    config.setdefault("dtype", config.pop("input_dtype", None))


def _batch_normalization(config: Config) -> None:
    axis = config.get("axis")
    if isinstance(axis, list) and len(axis) == 1:
        config["axis"] = int(axis[0])


def _discretization(config: Config) -> None:
    """Keras 2 computed in floats and gave whole numbers; Keras 3 would take the dtype for that of the inputs, and cut them off."""
    name = convert_dtype(config.pop("dtype", None))["config"]["name"]
    if not name.startswith("int"):
        config["dtype"] = name


def _recurrent(config: Config) -> None:
    if config.get("time_major"):
        config["time_major=True"] = True
    config.pop("time_major", None)


def _gru(config: Config) -> None:
    """GRU without `reset_after` is the one of Keras before 2.2; Keras 3's default is the other."""
    _recurrent(config)
    config.setdefault("reset_after", False)


def _cudnn_lstm(config: Config) -> None:
    config.update(activation="tanh", recurrent_activation="sigmoid", use_bias=True)


def _cudnn_gru(config: Config) -> None:
    config.update(activation="tanh", recurrent_activation="sigmoid", use_bias=True, reset_after=True)


def _leaky_relu(config: Config) -> None:
    if "alpha" in config:
        config["negative_slope"] = _number(config.pop("alpha"))


def _thresholded_relu(config: Config) -> None:
    config["threshold"] = _number(config.pop("theta", 1.0))


def _sync_batch_normalization(config: Config) -> None:
    config["synchronized"] = True


def _number(value: Any) -> Any:
    """Keras 2.0 wrote some numbers as `{"type": "ndarray", "value": 0.3}`."""
    return value.get("value") if isinstance(value, Mapping) else value


SPECIAL: Mapping[str, Callable[[Config], None]] = {
    "InputLayer": _input_layer,
    "BatchNormalization": _batch_normalization,
    "BatchNormalizationV1": _batch_normalization,
    "BatchNormalizationV2": _batch_normalization,
    "SyncBatchNormalization": _sync_batch_normalization,
    "Discretization": _discretization,
    "LeakyReLU": _leaky_relu,
    "ThresholdedReLU": _thresholded_relu,
    "GRU": _gru,
    "CuDNNGRU": _cudnn_gru,
    "CuDNNLSTM": _cudnn_lstm,
    **dict.fromkeys(RECURRENT - {"GRU"}, _recurrent),
}
"""What a class needs before its arguments are looked at; by the old name, then by the new one."""
