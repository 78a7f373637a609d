"""What Keras makes of constructor arguments: the config that it saves, defaults and all, without Keras.

`Dense: {units: 10}` becomes what `keras.layers.Dense(units=10).get_config()` gives after a trip through JSON. Names are left to
whoever adds the layer; only a layer inside another gets one.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from surgery.model import catalogue
from surgery.model.arguments import NAMED, OBJECTS
from surgery.model.catalogue import Argument, KerasClass

Config = dict[str, Any]

_WHEN_SET = ("activity_regularizer", "lora_rank", "lora_alpha")
"""Omitted arguments that a config holds all the same once they are given."""


def configured(kind: str, class_name: str, given: Mapping[str, Any], base: Mapping[str, Any] | None = None) -> Config:
    """The config of an object with the given arguments.

    Args:
        given: The arguments as a recipe writes them.
        base: A config to start from instead of the defaults (`inherit: true`, `reconfigure`).
    """
    known = catalogue.find(kind, class_name)
    if known is None:
        return {**(base or {}), **given}
    config = {**(_defaults(known) if base is None else base), **given}
    for rule in (_RULES.get(_family(known.name)), _ROUNDED.get(known.name)):
        if rule:
            config = rule(known, config, given)
    return {name: _normal(known, name, value) for name, value in config.items() if _is_kept(known, name, value)}


def serialized_object(kind: str, key: str, config: Mapping[str, Any] | None = None, named: bool = False) -> Config:
    """The form in which Keras nests one object in the config of another: module, class, config.

    Args:
        key: A class of Keras, or `package.module>Class`.
        config: The arguments as written.
        named: Whether the object, a layer, needs a name: then it gets its class's where it has none.
    """
    module, _, class_name = key.rpartition(">")
    known = None if module else catalogue.find(kind, class_name)
    full = configured(kind, key, config or {})
    class_name = known.name if known else class_name
    if named and not full.get("name"):
        full = {"name": snake_case(class_name), **full}
    return {
        "module": known.module if known else module,
        "class_name": class_name,
        "config": full,
        "registered_name": None if known else class_name,
    }


@cache
def default_arguments(class_name: str) -> Mapping[str, Any]:
    """What the config of a layer of Keras holds where the recipe says nothing; required arguments are not in it."""
    known = catalogue.find("layers", class_name)
    return {} if known is None else {name: _normal(known, name, value) for name, value in _defaults(known).items()}


def snake_case(name: str) -> str:
    """Keras' automatic name of a layer class, without the counter."""
    name = re.sub(r"\W+", "", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def policy(name: str) -> Config:
    """A dtype policy as a config holds it."""
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": None}


def _defaults(known: KerasClass) -> Config:
    config = {a.name: a.default for a in known.arguments.values() if not a.required and a.name != "autocast"}
    return {**config, **known.config}


def _is_kept(known: KerasClass, name: str, value: Any) -> bool:
    argument = known.arguments.get(name)
    if name in known.config:
        return True
    if name in known.omits:
        return value is not None and name in _WHEN_SET
    if name == "activity_regularizer":
        return value is not None or (argument is not None and not argument.is_base)
    return name != "autocast" and not (name == "name" and value is None)


def _normal(known: KerasClass, name: str, value: Any) -> Any:
    if name == "dtype":
        return _dtype(known, value)
    argument = known.arguments.get(name)
    if argument is None:
        return _lists(value)
    return _normal_argument(argument, value)


def _dtype(known: KerasClass, value: Any) -> Any:
    if isinstance(value, Mapping) or known.kind != "layers":
        return value
    if isinstance(known.config.get("dtype"), str):
        return {"mixed_float16": "float32", "mixed_bfloat16": "float32"}.get(value, value or known.config["dtype"])
    return policy(value or "float32")


def _normal_argument(argument: Argument, value: Any) -> Any:
    match argument.type:
        case "layers" if isinstance(value, list | tuple):
            return [_nested("layers", layer) for layer in value]
        case name if name in OBJECTS and isinstance(value, Mapping):
            return _nested(OBJECTS[name], value)
        case "activation":
            return "linear" if value is None else catalogue.bare_names("activations").get(value, value)
        case name if name in NAMED and isinstance(value, str):
            return serialized_object(NAMED[name], catalogue.bare_names(NAMED[name]).get(value, value))
        case "sizes" | "naturals" if isinstance(value, int):
            return [value] * argument.size
        case "interval":
            return _interval(argument, value)
        case "choice" if argument.name == "data_format" and value is None:
            return "channels_last"
        case _:
            return _lists(value)


def _nested(kind: str, value: Mapping[str, Any]) -> Any:
    """A one-key map as Keras serialises it; what is serialised already stays."""
    if "class_name" in value:
        return value
    ((key, config),) = value.items()
    return serialized_object(kind, key, config, named=kind == "layers")


def _interval(argument: Argument, value: Any) -> Any:
    if argument.lower is None or value is None:
        return _lists(value)
    if isinstance(value, list | tuple):
        return sorted(value)
    return [max(-abs(value), argument.lower), abs(value)]


def _lists(value: Any) -> Any:
    """Tuples as the lists that JSON makes of them."""
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


Rule = Callable[[KerasClass, Config, Mapping[str, Any]], Config]
"""(class, config so far, given arguments) -> config: what one class does that no type of argument explains."""


def _pooling(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    if given.get("strides") is None and ("pool_size" in given or config.get("strides") is None):
        return {**config, "strides": config["pool_size"]}
    return config


def _sides(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    name, rank = next(iter(known.arguments)), int(known.name[-2])
    value = config[name]
    if isinstance(value, int):
        value = [value] * (2 if rank == 1 else rank)
    return {**config, name: value if rank == 1 else [[n, n] if isinstance(n, int) else list(n) for n in value]}


def _attention(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    shape = config.get("output_shape")
    return {
        **config,
        "value_dim": given.get("value_dim") or (config["key_dim"] if "key_dim" in given else config.get("value_dim")),
        "output_shape": [shape] if isinstance(shape, int) else shape,
        "attention_axes": [axes] if isinstance(axes := config.get("attention_axes"), int) else axes,
    }


def _listed(name: str) -> Rule:
    def rule(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
        return {**config, name: [config[name]] if isinstance(config[name], int) else config[name]}

    return rule


def _input(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    before = None if "batch_shape" in given else config.get("batch_shape")
    shape, size = config.pop("shape", None), config.pop("batch_size", None)
    if shape is None and before is not None and "batch_size" in given:
        shape = before[1:]
    if shape is not None:
        config["batch_shape"] = [size if "batch_size" in given or before is None else before[0], *shape]
    return {**config, "sparse": bool(config["sparse"]), "ragged": bool(config["ragged"])}


def _bidirectional(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    forward = _nested("layers", config["layer"])
    backward = config.get("backward_layer")
    if "layer" in given or backward is None:
        forward = _directed(forward, "forward_")
        backward = given.get("backward_layer") or _directed(forward, "backward_", go_backwards=True)
    return {**config, "layer": forward, "backward_layer": _directed(_nested("layers", backward))}


def _directed(layer: Config, prefix: str = "", **changes: Any) -> Config:
    config = {**layer["config"], **changes}
    if prefix:
        config["name"] = prefix + config["name"].removeprefix("forward_").removeprefix("backward_")
    if "zero_output_for_mask" in config:
        config["zero_output_for_mask"] = config["return_sequences"]
    return {**layer, "config": config}


def _lora(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    if config.get("lora_rank") and config.get("lora_alpha") is None:
        return {**config, "lora_alpha": config["lora_rank"]}
    return config


def _vocabulary(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    words, tokens = config.get("vocabulary"), config.get("num_oov_indices", 1)
    if words is None or "vocabulary" not in given:
        return config
    has_mask = config["output_mode"] == "int" if known.name == "TextVectorization" else config["mask_token"] is not None
    return {**config, "vocabulary_size": len(words) + tokens + has_mask}


def _normalization(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    return {**_listed("axis")(known, config, given), **({"axis": []} if config["axis"] is None else {})}


def _sorted_axes(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    """Keras turns the axis into a sorted list when it builds the layer, before it can be saved."""
    axis = config["axis"]
    return {**config, "axis": [axis] if isinstance(axis, int) else sorted(axis)}


def _hashing(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    return {**config, "salt": [config["salt"]] * 2 if isinstance(config["salt"], int) else config["salt"]}


def _rnn(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
    cell = config["cell"]
    if isinstance(cell, list):
        return {**config, "cell": serialized_object("layers", "StackedRNNCells", {"cells": cell}, named=True)}
    return {**config, "cell": _nested("layers", cell)}


def _family(name: str) -> str:
    return name if name in _RULES else re.sub(r"[123]D(Transpose)?$", r"\1", name)


_RULES: Mapping[str, Rule] = {
    "AveragePooling": _pooling,
    "Bidirectional": _bidirectional,
    "Cropping": _sides,
    "Dense": _lora,
    "EinsumDense": lambda known, config, given: _lora(known, _listed("output_shape")(known, config, given), given),
    "Embedding": _lora,
    "Hashing": _hashing,
    "InputLayer": _input,
    "IntegerLookup": _vocabulary,
    "LayerNormalization": _sorted_axes,
    "MaxPooling": _pooling,
    "MultiHeadAttention": _attention,
    "Normalization": _normalization,
    "PReLU": _listed("shared_axes"),
    "RMSNormalization": _sorted_axes,
    "RNN": _rnn,
    "StringLookup": _vocabulary,
    "TextVectorization": _vocabulary,
    "ZeroPadding": _sides,
}


def _single_precision(name: str) -> Rule:
    """Keras keeps the argument as a 32 bit tensor, and so rounds it."""

    def rule(known: KerasClass, config: Config, given: Mapping[str, Any]) -> Config:
        (rounded,) = struct.unpack("f", struct.pack("f", config[name]))
        return {**config, name: rounded}

    return rule


_ROUNDED: Mapping[str, Rule] = {"L1": _single_precision("l1"), "OrthogonalRegularizer": _single_precision("factor")}
