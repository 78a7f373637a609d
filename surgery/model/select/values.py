"""Does a layer's config have a value? A recipe may write it shorter than Keras stores it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from surgery.model.spec import LayerSpec


def mismatch(layer: LayerSpec, wanted: Mapping[str, Any]) -> tuple[str, Any] | None:
    """The first key of `wanted` that the layer's config does not have so, with the layer's own value.

    A key that the layer does not have at all counts as a mismatch, with the value `ABSENT`.
    """
    for key, value in wanted.items():
        stored = _stored(layer, key)
        if stored is ABSENT or not agrees(value, stored, key):
            return key, stored
    return None


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


def _stored(layer: LayerSpec, key: str) -> Any:
    match key:
        case "name":
            return layer.name
        case "trainable":
            return layer.trainable
        case _:
            return layer.config.get(key, ABSENT)


def agrees(wanted: Any, stored: Any, key: str = "") -> bool:
    """Whether a stored value is what was written: `3` is `[3, 3]`, `he_normal` a HeNormal, 0.1 its float32."""
    if _is_object(stored) and wanted is not None:
        return _agrees_with_object(wanted, stored)
    match wanted, stored:
        case (None, None) | (None, "linear") if stored is None or key.endswith("activation"):
            return True
        case (bool(), _) | (_, bool()):
            return wanted is stored
        case (int() | float(), int() | float()):
            return math.isclose(wanted, stored, rel_tol=1e-6)
        case (int(), list() | tuple()):
            return bool(stored) and all(type(item) is int and item == wanted for item in stored)
        case (list() | tuple(), list() | tuple()):
            return len(wanted) == len(stored) and all(map(agrees, wanted, stored))
        case (Mapping(), Mapping()):
            return all(name in stored and agrees(value, stored[name], name) for name, value in wanted.items())
        case _:
            return bool(wanted == stored)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and "class_name" in value and "config" in value


def _agrees_with_object(wanted: Any, stored: Mapping[str, Any]) -> bool:
    """A serialized object against its class name, its function's name, `{ClassName: {argument: value}}`, or itself."""
    config = stored["config"]
    match wanted:
        case str():
            inner = config.get("name") if isinstance(config, Mapping) else config
            names = [stored["class_name"], inner]
            return any(isinstance(name, str) and _folded(name) == _folded(wanted) for name in names)
        case {"class_name": str()}:
            return all(key in stored and agrees(value, stored[key], key) for key, value in wanted.items())
        case Mapping() if len(wanted) == 1:
            ((name, arguments),) = wanted.items()
            return _folded(name) == _folded(stored["class_name"]) and agrees(arguments or {}, config)
        case _:
            return bool(wanted == stored)


def _folded(name: str) -> str:
    """`glorot_uniform` and `GlorotUniform` are one name to Keras."""
    return name.replace("_", "").lower()
