"""A model as lines that git can compare: a block for each layer, a line for each argument and each variable.

Arguments at their default are left out, as a person would. A variable's line changes when one bit of it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from surgery.errors import SurgeryError, printable
from surgery.model.archive.groups import snake_case
from surgery.model.changes import Side, open_side
from surgery.model.changes.configs import class_of, default_of, plain_config
from surgery.model.fingerprint import file_digest, variable_digest, variable_norm
from surgery.model.flow import flow
from surgery.model.spec import LayerSpec, ModelSpec
from surgery.model.weights import shape_text
from surgery.reporting.table import count

DEFAULTS = {"dtype": "float32", "data_format": "channels_last"}
"""What Keras fills in where nothing else was asked for."""


def file_blocks(path: Path, trust: tuple[str, ...] = ()) -> str:
    """The text of a model file. What is no model is told by its digest: git must be given a text in any case."""
    try:
        with open_side(path, trust) as side:
            return "\n".join(map(printable, model_blocks(side))) + "\n"
    except SurgeryError as error:
        digest = file_digest(path) if path.is_file() else "none"
        return f"not a model that surgery reads: {printable(error.what)}\nsha256 {digest}\n"


def model_blocks(side: Side) -> Iterator[str]:
    """The lines of a model."""
    spec = side.spec
    yield f"model ({spec.class_name})"
    yield f"  parameters: {count(spec.parameters)}"
    yield f"  trainable parameters: {count(spec.trainable_parameters)}"
    yield f"  outputs: {_names(spec)}"
    for path, layer in spec.walk():
        yield f"layer {path} ({class_of(layer)})"
        yield from (f"  {line}" for line in _layer(path, layer, side))


def _layer(path: str, layer: LayerSpec, side: Side) -> Iterator[str]:
    if layer.inbound:
        yield f"inputs: {', '.join(layer.inbound)}"
    if not layer.trainable:
        yield "trainable: false"
    for key, value in sorted(plain_config(layer.config).items()):
        if value is not None and not _is_default(value, DEFAULTS.get(key, default_of(layer.class_name, key))):
            yield f"{key}: {_shown(value)}"
    for weight in layer.weights:
        array = side.values[path, weight.key]
        yield (
            f"{weight.name} {shape_text(weight.shape)} {weight.dtype}: "
            f"norm {variable_norm(array):.6g}, sha256 {variable_digest(array)[:16]}"
        )


def _is_default(value: Any, default: Any) -> bool:
    """Whether it is what Keras takes anyway; an initializer may be named by a word there and be an object here."""
    if _is_object(value) and isinstance(default, str):
        return default in (value["class_name"], snake_case(value["class_name"])) and not _arguments(value)
    return bool(value == default)


def _shown(value: Any) -> str:
    """A Keras object as its class and what it was given."""
    if not _is_object(value):
        return flow(value)
    arguments = ", ".join(f"{key}={_shown(item)}" for key, item in _arguments(value).items())
    return f"{value['class_name']}({arguments})"


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("class_name"), str) and "config" in value


def _arguments(value: Mapping[str, Any]) -> dict[str, Any]:
    config = value["config"]
    pairs = sorted(config.items()) if isinstance(config, Mapping) else [("config", config)]
    return {key: item for key, item in pairs if item is not None}


def _names(spec: ModelSpec) -> str:
    return ", ".join(str(ref) for ref in spec.refs_out()) or "-"
