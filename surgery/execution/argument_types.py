"""Tells the types of Keras' constructor arguments from their names, defaults and docstrings."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

BY_NAME = {
    "activation": "activation",
    "attention_axes": "axes",
    "axes": "axes",
    "axis": "axes",
    "backward_layer": "layer",
    "bias_axes": "string",
    "bin_boundaries": "numbers",
    "boundaries": "numbers",
    "cell": "layers",
    "cells": "layers",
    "cropping": "sides",
    "data_format": "choice",
    "depth_multiplier": "count",
    "dilation_rate": "sizes",
    "dims": "integers",
    "dropout": "fraction",
    "dtype": "dtype",
    "exclude_layers": "list",
    "filters": "count",
    "gradient_accumulation_steps": "count",
    "groups": "integer",
    "height": "count",
    "idf_weights": "list",
    "inner_optimizer": "optimizer",
    "input_dim": "count",
    "interpolation": "choice",
    "kernel_size": "sizes",
    "key_dim": "count",
    "layer": "layer",
    "layers": "layers",
    "learning_rate": "learning_rate",
    "lora_rank": "count",
    "mask_token": "string_or_integer",
    "max_tokens": "count",
    "mean": "scalar_or_list",
    "merge_mode": "choice",
    "n": "count",
    "name": "string",
    "ngrams": "value",
    "noise_shape": "shape",
    "num_bins": "count",
    "num_classes": "count",
    "num_heads": "count",
    "num_key_value_heads": "count",
    "num_query_heads": "count",
    "num_tokens": "count",
    "oov_token": "string_or_integer",
    "output_dim": "count",
    "output_padding": "naturals",
    "padding": "choice",
    "patience": "natural",
    "pool_size": "sizes",
    "rate": "fraction",
    "recurrent_activation": "activation",
    "quantization_config": "nothing",
    "recurrent_dropout": "fraction",
    "reduction": "choice",
    "score_mode": "choice",
    "seed": "integer",
    "shape": "shape",
    "batch_shape": "shape",
    "shared_axes": "axes",
    "sliding_window": "count",
    "strides": "sizes",
    "summation_method": "choice",
    "curve": "choice",
    "target_class_ids": "integers",
    "target_shape": "integers",
    "thresholds": "scalar_or_list",
    "units": "count",
    "value_dim": "count",
    "values": "numbers",
    "variance": "scalar_or_list",
    "vocabulary": "list",
    "width": "count",
}
"""Names that mean the same wherever they occur. A vocabulary is a list here: as a string it would be a file to read."""

BY_CLASS = {
    ("BatchNormalization", "renorm_clipping"): "clipping",
    ("Bidirectional", "weights"): "nothing",
    ("Embedding", "weights"): "nothing",
    ("InputLayer", "batch_size"): "count",
    ("InputLayer", "input_tensor"): "nothing",
    ("IntegerLookup", "vocabulary_dtype"): "dtype",
    ("Normalization", "axis"): "value",
    ("RandomGaussianBlur", "kernel_size"): "value",
    ("ReversibleEmbedding", "reverse_dtype"): "dtype",
    ("Rescaling", "offset"): "scalar_or_list",
    ("Rescaling", "scale"): "scalar_or_list",
    ("StackedRNNCells", "cells"): "layers",
}

CHOICES: Mapping[str, tuple[str | None, ...]] = {
    "curve": ("ROC", "PR"),
    "data_format": ("channels_last", "channels_first"),
    "interpolation": ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"),
    "merge_mode": ("sum", "mul", "concat", "ave", None),
    "padding": ("valid", "same"),
    "reduction": ("sum", "sum_over_batch_size", "mean", "mean_with_sample_weight", "none", None),
    "score_mode": ("dot", "concat"),
    "summation_method": ("interpolation", "minoring", "majoring"),
}

DATA_FORMAT = {
    "type": "choice",
    "choices": list(CHOICES["data_format"]),
    "default": None,
    "doc": "Order of the axes: channels last or channels first.",
}

CAUSAL = {"Conv1D", "DepthwiseConv1D", "SeparableConv1D"}

EXAMPLES: Mapping[str, Any] = {
    "axes": 1,
    "boundaries": [1],
    "dims": (2, 1),
    "height_factor": 0.2,
    "width_factor": 0.2,
    "equation": "ab,bc->ac",
    "factor": 0.2,
    "max_number": 3,
    "output_shape": 3,
    "scale": 0.5,
    "activation": "relu",
    "num_classes": 2,
    "precision": 0.5,
    "rate": 0.5,
    "recall": 0.5,
    "sensitivity": 0.5,
    "specificity": 0.5,
    "stddev": 0.5,
    "target_class_ids": [0],
    "target_shape": (2,),
    "values": [1.0, 2.0],
}
"""A value for arguments that must be given, by name; others get 2."""


def entry(kind: str, cls: type, parameter: inspect.Parameter) -> dict[str, Any]:
    """The catalogue's line of one argument."""
    name, default = parameter.name, _plain(parameter.default)
    found: dict[str, Any] = {"type": _type(kind, cls, name, default)}
    if found["type"] in ("naturals", "sizes"):
        found["size"] = _rank(cls)
    if found["type"] == "choice":
        found["choices"] = [*CHOICES[name], *(["causal"] if name == "padding" and cls.__name__ in CAUSAL else [])]
    if parameter.default is not parameter.empty:
        found["default"] = default
    if doc := described(cls).get(name) or COMMON.get(name):
        found["doc"] = doc
    return found


COMMON = {
    "name": "The object's name; generated when left out.",
    "dtype": "The dtype of the computations.",
    "layer": "The layer that is wrapped.",
    "seed": "Seed of the random numbers.",
    "data_format": str(DATA_FORMAT["doc"]),
}
"""Descriptions of arguments that some docstrings leave out."""


def lower_bound(cls: type, name: str, given: Mapping[str, Any]) -> int | None:
    """Where Keras makes an interval of a single number: the least lower end that it gives it."""
    try:
        interval = cls(**{**given, name: 0.25}).get_config()[name]
    except ValueError:
        return int(getattr(cls, "_FACTOR_BOUNDS", [None])[0])
    return {(-0.25, 0.25): -1, (0, 0.25): 0}.get(tuple(interval) if isinstance(interval, list | tuple) else ())


def _type(kind: str, cls: type, name: str, default: Any) -> str:
    if name.endswith(("_initializer", "_regularizer", "_constraint")):
        return name.rpartition("_")[2]
    if (cls.__name__, name) in BY_CLASS:
        return BY_CLASS[cls.__name__, name]
    if name == "padding":
        return "sides" if "Padding" in cls.__name__ else "choice"
    if "image_preprocessing" in cls.__module__ and (name.endswith("factor") or name in ("scale", "sigma")):
        return "interval"
    if name == "size" and "UpSampling" in cls.__name__:
        return "sizes" if _rank(cls) > 1 else "count"
    if kind != "layers" and name in ("axis", "axes", "mean", "scale"):
        return "value"
    if kind == "callbacks" and (default is None or isinstance(default, str)) and _names_a_file(cls, name):
        return "path"
    if kind == "layers" and name == "output_size":
        return "sizes"
    return BY_NAME.get(name) or _by_default(default)


def _by_default(default: Any) -> str:
    match default:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case _:
            return "value"


def _names_a_file(cls: type, name: str) -> bool:
    """Whether an argument of a callback says where something is written or read: by its name, or by what its docstring says."""
    said = re.search(r"(?i)\bpath (of|to)\b|\bfilename\b|\bpathlike\b", described(cls).get(name, ""))
    return bool(said or re.search(r"file|path|dir|metadata", name))


def _rank(cls: type) -> int:
    match = re.search(r"([123])D", cls.__name__)
    return int(match[1]) if match else 0


def _plain(value: Any) -> Any:
    return None if value is inspect.Parameter.empty else json.loads(json.dumps(value, default=lambda other: None))


def first_sentence(text: str, limit: int = 160) -> str:
    """The first sentence of a docstring, on one line; the second too where the first only says the type."""
    paragraph = " ".join(text.replace("```", "").strip().split("\n\n")[0].split())
    sentences = re.split(r"(?<=[\w`\")\]])(?<!e\.g)(?<!i\.e)\.(?:\s+|$)", paragraph)
    sentence = ". ".join(sentences[: 1 if len(sentences[0]) > 20 else 2]).strip(" :.")
    if len(sentence) > limit:
        sentence = sentence[: limit - 1].rsplit(" ", 1)[0] + "…"
    return f"{sentence}." if sentence[-1:].isalnum() or sentence[-1:] in '`)]"' else sentence


@cache
def described(cls: type) -> Mapping[str, str]:
    """The first sentence on each argument, from the `Args:` section of the class."""
    doc = inspect.getdoc(cls) or ""
    match = re.search(r"^(?:Args|Arguments):\n((?:[ \t]+.*\n|\n)+)", doc + "\n", re.M)
    if not match:
        return {}
    lines = inspect.cleandoc("\n" + match[1]).splitlines()
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        start = re.match(r"`?\*{0,2}(\w+)`?\s*:\s*(.*)", line)
        if start:
            current = found.setdefault(start[1], [])
            current.append(start[2])
        else:
            current.append(line.strip())
    return {name: first_sentence("\n".join(parts)) for name, parts in found.items()}


def example(cls: type, required: set[str]) -> dict[str, Any]:
    """As few arguments as it takes to make an instance."""
    return {**{name: EXAMPLES.get(name, 2) for name in sorted(required)}, **_special(cls.__name__)}


def _special(name: str) -> dict[str, Any]:
    """What classes need for which a number each is not enough."""
    from keras import layers

    match name:
        case "Bidirectional":
            return {"layer": layers.LSTM(2), "backward_layer": layers.LSTM(2, go_backwards=True)}
        case "CategoryEncoding":
            return {"num_tokens": 4}
        case "Discretization":
            return {"num_bins": 4}
        case "InputLayer":
            return {"batch_shape": (None, 3)}
        case "Pipeline":
            return {"layers": [layers.RandomFlip()]}
        case "RNN":
            return {"cell": layers.LSTMCell(2)}
        case "RandomPosterization":
            return {"factor": 2}
        case "SpectralNormalization" | "TimeDistributed":
            return {"layer": layers.Dense(2)}
        case "StackedRNNCells":
            return {"cells": [layers.LSTMCell(2)]}
        case _:
            return {}
