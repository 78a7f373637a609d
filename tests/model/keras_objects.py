"""Makes the real Keras object of a one-key map, for comparing with what is known without Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from surgery.model import catalogue
from surgery.model.arguments import OBJECTS
from surgery.model.catalogue import Argument

MODULES = {
    "constraints": keras.constraints,
    "initializers": keras.initializers,
    "layers": keras.layers,
    "regularizers": keras.regularizers,
}


def made(kind: str, value: Mapping[str, Any]) -> Any:
    """The object that Keras makes of `{Dense: {units: 10}}`."""
    ((name, config),) = value.items()
    known = catalogue.find(kind, name)
    assert known is not None
    arguments = {key: _argument(known.arguments[key], item) for key, item in (config or {}).items()}
    return getattr(MODULES[kind], name)(**arguments)


def _argument(argument: Argument, value: Any) -> Any:
    if argument.type == "layers" and isinstance(value, list):
        return [made("layers", item) for item in value]
    if argument.type in OBJECTS and isinstance(value, dict):
        return made(OBJECTS[argument.type], value)
    return value
