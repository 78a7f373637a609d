"""The model config of Keras 1 as Keras 2 would write it: other names for arguments and classes, and `Merge` taken apart.

What Keras 2 knew already passes through, so that files of the months between are read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.model import catalogue
from surgery.model.legacy.objects import Problems

Config = dict[str, Any]

CLASSES = {
    "AtrousConv1D": "Conv1D",
    "AtrousConv2D": "Conv2D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
}
RENAMED = {
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "atrous_rate": "dilation_rate",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "bias": "use_bias",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "inner_activation": "recurrent_activation",
    "inner_init": "recurrent_initializer",
    "init": "kernel_initializer",
    "nb_filter": "filters",
    "output_dim": "units",
    "p": "rate",
    "sigma": "stddev",
    "subsample": "strides",
    "subsample_length": "strides",
    "filter_length": "kernel_size",
    "pool_length": "pool_size",
    "stride": "strides",
}
"""Arguments under their names since Keras 2."""
BY_CLASS: Mapping[str, Mapping[str, str]] = {
    "Embedding": {
        "output_dim": "output_dim",
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "BatchNormalization": {
        "beta_init": "beta_initializer",
        "gamma_init": "gamma_initializer",
    },
    "PReLU": {"init": "alpha_initializer"},
    "UpSampling1D": {"length": "size"},
    "SeparableConv2D": {
        "depthwise_regularizer": "depthwise_regularizer",
        "init": "depthwise_initializer",
    },
}
"""Where a class differs from the rest."""
DIM_ORDERING = {"th": "channels_first", "tf": "channels_last", "default": "channels_last"}
KERNEL_SIZES = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
MERGES = {"sum": "Add", "concat": "Concatenate", "mul": "Multiply", "ave": "Average", "max": "Maximum"}


def upgrade(document: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """A model or layer of Keras 1 as one of Keras 2.

    Args:
        document: `{"class_name": ..., "config": ...}`; a Sequential's config may be a bare list.
        problems: Gets what cannot be converted.
    """
    config = document.get("config")
    if isinstance(config, list):
        return _sequential(config, document, problems)
    if isinstance(config, Mapping) and isinstance(config.get("layers"), list) and document["class_name"] != "Merge":
        layers = [upgrade(layer, problems) for layer in config["layers"]]
        return {**document, "config": {**config, "layers": layers}}
    return _layer(document, dict(config or {}), problems)


def _sequential(layers: list[Any], document: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    first = layers[0] if layers else {}
    if first.get("class_name") == "Merge" and first["config"].get("layers"):
        return _merged(layers, document, problems)
    name = document.get("name") or "sequential"
    config = {"name": name, "layers": [upgrade(layer, problems) for layer in layers]}
    return {**document, "class_name": "Sequential", "config": config}


def _merged(layers: list[Any], document: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """A Sequential that begins with a `Merge` of others is a graph: their chains side by side, then the rest."""
    entries: list[dict[str, Any]] = []
    inputs: list[Any] = []
    ends: list[Any] = []
    for branch in layers[0]["config"]["layers"]:
        ends.append(_branch(branch, entries, inputs, problems))
    merge = upgrade({"class_name": "Merge", "config": {**layers[0]["config"], "layers": None}}, problems)
    last = _append(merge, ends, entries)
    for layer in layers[1:]:
        last = _append(upgrade(layer, problems), [last], entries)
    config = {
        "name": document.get("name") or "model",
        "layers": entries,
        "input_layers": inputs,
        "output_layers": [last],
    }
    return {**document, "class_name": "Model", "config": config}


def _branch(document: Mapping[str, Any], entries: list[dict[str, Any]], inputs: list[Any], problems: Problems) -> Any:
    config = document["config"]
    layers = config if isinstance(config, list) else config.get("layers", [document])
    shape = layers[0]["config"].get("batch_input_shape") if layers else None
    if shape is None or document["class_name"] not in ("Sequential",):
        problems.add(f"the branch {document.get('class_name')} of a Merge")
        return ["", 0, 0]
    first = layers[0]["config"]
    name = first["name"] if layers[0]["class_name"] == "InputLayer" else f"{first['name']}_input"
    source = {"class_name": "InputLayer", "config": {"name": name, "batch_input_shape": shape}}
    last = _append(source, [], entries)
    inputs.append(last)
    for layer in layers[1:] if layers[0]["class_name"] == "InputLayer" else layers:
        last = _append(upgrade(layer, problems), [last], entries)
    return last


def _append(layer: dict[str, Any], tensors: list[Any], entries: list[dict[str, Any]]) -> list[Any]:
    name = layer["config"]["name"]
    nodes = [[[*tensor, {}] for tensor in tensors]] if tensors else []
    entries.append({**layer, "name": name, "inbound_nodes": nodes})
    return [name, 0, 0]


def _layer(document: Mapping[str, Any], config: Config, problems: Problems) -> dict[str, Any]:
    old = str(document["class_name"])
    if old == "Merge":
        return {**document, **_merge(config, problems)}
    if old == "TimeDistributedDense":
        return {**document, **_time_distributed_dense(config, problems)}
    name = CLASSES.get(old, old)
    renamed = {**RENAMED, **BY_CLASS.get(name, {})}
    _kernel_size(config)
    _padding(old, config)
    _unsupported(old, config, problems)
    if old == "Deconvolution2D":
        problems.sizes[str(config.get("name"))] = config.pop("output_shape", None)
    converted = {_renamed(key, renamed, name, config): value for key, value in config.items()}
    if converted.get("data_format") in DIM_ORDERING:
        converted["data_format"] = DIM_ORDERING[converted["data_format"]]
    if name in ("LSTM", "GRU"):
        converted.setdefault("recurrent_activation", "hard_sigmoid")
    if isinstance(config.get("layer"), Mapping):
        converted["layer"] = upgrade(config["layer"], problems)
    return {**document, "class_name": name, "config": converted}


def _renamed(key: str, renamed: Mapping[str, str], class_name: str, config: Config) -> str:
    """The new name of an argument, unless the class has one of the old name, or both are there."""
    new = renamed.get(key, key)
    found = catalogue.find("layers", class_name)
    takes = found is not None and new in found.arguments
    return new if takes and (new == key or new not in config) else key


def _kernel_size(config: Config) -> None:
    for names in KERNEL_SIZES:
        if all(name in config for name in names):
            config["kernel_size"] = [config.pop(name) for name in names]
    initial = config.pop("forget_bias_init", None)
    if initial is not None:
        config["unit_forget_bias"] = initial in ("one", "ones")


SIDES = (("top_pad", "bottom_pad"), ("left_pad", "right_pad"))
"""What a dict of ZeroPadding2D has; that of ZeroPadding1D has the last two."""


def _padding(class_name: str, config: Config) -> None:
    padding = config.get("padding")
    if class_name == "ZeroPadding1D" and isinstance(padding, Mapping):
        config["padding"] = [padding.get(side, 0) for side in SIDES[1]]
    elif class_name == "ZeroPadding2D" and isinstance(padding, Mapping):
        config["padding"] = [[padding.get(side, 0) for side in sides] for sides in SIDES]
    elif class_name == "ZeroPadding2D" and isinstance(padding, list) and len(padding) == 4:
        config["padding"] = [padding[:2], padding[2:]]


def _unsupported(class_name: str, config: Config, problems: Problems) -> None:
    where = f"the layer '{config.get('name')}' ({class_name})"
    if class_name == "BatchNormalization" and config.pop("mode", 0) != 0:
        problems.add(f"a mode other than 0 of {where}")
    if class_name == "Embedding" and config.pop("dropout", 0.0):
        problems.add(f"the dropout inside {where}")


def _merge(config: Config, problems: Problems) -> dict[str, Any]:
    mode, name = config.get("mode", "sum"), config.get("name")
    if isinstance(mode, str) and mode in MERGES:
        kept: Config = {"axis": config.get("concat_axis", -1)} if mode == "concat" else {}
        return {"class_name": MERGES[mode], "config": {"name": name, **kept}}
    if mode == "dot":
        return {"class_name": "Dot", "config": {"name": name, "axes": config.get("dot_axes", -1), "normalize": False}}
    if mode == "cos":  # its output has one axis more, and of matrices it is no cosine along an axis
        problems.add(f"the mode cos of the layer '{name}' (Merge), whose output has another shape than that of Dot")
        return {"class_name": "Add", "config": {"name": name}}
    problems.add(f"the mode {mode if isinstance(mode, str) else 'by a function'} of the layer '{name}' (Merge)")
    return {"class_name": "Add", "config": {"name": name}}


def _time_distributed_dense(config: Config, problems: Problems) -> dict[str, Any]:
    inner = upgrade({"class_name": "Dense", "config": {**config, "name": f"{config.get('name')}_dense"}}, problems)
    inner["config"].pop("batch_input_shape", None)
    kept = {key: config[key] for key in ("name", "trainable", "batch_input_shape") if key in config}
    return {"class_name": "TimeDistributed", "config": {**kept, "layer": inner}}
