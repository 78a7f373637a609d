"""The model config of Keras 2, or of Keras 3's own h5 files, as the document of a `.keras` file.

Nothing is known about shapes in it: old files state the shape of the inputs only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.model.legacy.inbound import convert_inbound, convert_structure, counts_from_one, is_keras_3
from surgery.model.legacy.layers import convert_layer
from surgery.model.legacy.objects import Problems, convert_dtype
from surgery.model.legacy.operations import CLASSES as OPERATIONS
from surgery.model.legacy.operations import convert_operation

MODELS = frozenset({"Functional", "Model", "Network", "Sequential"})
MERGES = frozenset({"Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average", "Dot"})
FUNCTIONAL = {"module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional"}
SEQUENTIAL = {"module": "keras", "class_name": "Sequential", "registered_name": None}


def convert_document(document: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """A model or a layer as Keras 3 writes it.

    Args:
        document: `{"class_name": ..., "config": ...}`, perhaps with `name` and `inbound_nodes`.
        problems: Gets what Keras 3 does not have.
    """
    config = document.get("config")
    if isinstance(config, list):
        return _sequential({"layers": config}, document, problems)
    if not isinstance(config, Mapping) or not isinstance(config.get("layers"), list):
        return convert_layer(_cleaned(document), problems)
    if "output_layers" in config:
        return _functional(config, document, problems)
    if document["class_name"] == "Sequential":
        return _sequential(config, document, problems)
    return convert_layer(_cleaned(document), problems)


def plain_name(name: Any) -> str:
    """Layer names of Keras 2 may have slashes, which Keras 3 does not allow."""
    return str(name).replace("/", "_")


def _cleaned(document: Mapping[str, Any]) -> dict[str, Any]:
    config = dict(document.get("config") or {})
    if "name" in config:
        config["name"] = plain_name(config["name"])
    return {**document, "config": config}


def _sequential(config: Mapping[str, Any], document: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    layers = [convert_document(layer, problems) for layer in config["layers"]]
    name = plain_name(config.get("name") or document.get("name") or "sequential")
    converted: dict[str, Any] = {"name": name, "layers": layers, **_policy(config)}
    shape = config.get("build_input_shape") or _first_shape(config["layers"][0]) if layers else None
    if shape and layers[0]["class_name"] != "InputLayer":
        converted["build_input_shape"] = shape
    return {**SEQUENTIAL, "config": converted}


def _first_shape(layer: Mapping[str, Any]) -> Any:
    """The input shape that the first layer of a Sequential states: a layer, or the InputLayer of a nested model."""
    config = layer.get("config")
    if isinstance(config, list):
        return _first_shape(config[0])
    if not isinstance(config, Mapping):
        return None
    inside = config.get("layers")
    if isinstance(inside, list) and inside and "batch_input_shape" not in config:
        return _first_shape(inside[0])
    return config.get("batch_input_shape") or config.get("batch_shape")


def _functional(config: Mapping[str, Any], document: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    entries = config["layers"]
    names = {str(entry.get("name") or entry["config"].get("name")) for entry in entries}
    is_new = is_keras_3(config)
    shifted = set() if is_new else counts_from_one(config, names, {n for n in names if _is_model(n, entries)})
    layers: list[dict[str, Any]] = []
    taken = {plain_name(name) for name in names}
    for entry in entries:
        _refuse_operation(entry, problems)
        nodes = [convert_inbound(node, names, shifted, plain_name) for node in entry.get("inbound_nodes") or []]
        name = plain_name(entry.get("name") or entry["config"].get("name"))
        if entry["class_name"] in OPERATIONS:
            layers += convert_operation(entry, name, nodes, taken, problems)
        else:
            layers.append({**convert_document(entry, problems), "name": name, "inbound_nodes": nodes})
    functional = {entry["name"] for entry in layers if "output_layers" in entry["config"]}
    converted: dict[str, Any] = {"name": plain_name(config.get("name", "model")), "layers": layers, **_policy(config)}
    for key in ("input_layers", "output_layers"):
        structure = convert_structure(config[key], names, shifted, functional, plain_name)
        if isinstance(structure, list) and len(structure) == 1:  # of which Keras 2 made a tensor, and Keras 3 a list
            structure = structure[0]
        converted[key] = config[key] if is_new else structure
    return {**FUNCTIONAL, "config": converted}


def _refuse_operation(entry: Mapping[str, Any], problems: Problems) -> None:
    """An h5 of Keras 3 names `keras.ops.add` like the layer Add; only its two arguments tell."""
    for node in entry.get("inbound_nodes") or []:
        if entry["class_name"] in MERGES and isinstance(node, Mapping) and len(node.get("args", ())) > 1:
            name = entry.get("name")
            problems.add(f"the operation {entry['class_name']} of keras.ops, at '{name}', which only .keras files hold")


def _is_model(name: str, entries: list[Mapping[str, Any]]) -> bool:
    entry = next(e for e in entries if name == str(e.get("name") or e["config"].get("name")))
    config = entry.get("config")
    return isinstance(config, list) or (isinstance(config, Mapping) and isinstance(config.get("layers"), list))


def _policy(config: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"trainable": config["trainable"]} if "trainable" in config else {}
    if config.get("dtype"):
        kept["dtype"] = convert_dtype(config["dtype"])
    return kept
