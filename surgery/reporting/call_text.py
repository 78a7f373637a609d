"""A layer as a call of its class, `Dense(units=10, activation=softmax)`: every argument that is not at its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST = 120


def call_text(class_name: str, arguments: Mapping[str, Any]) -> str:
    """The class with its arguments; of a long value the beginning, and how much there is."""
    return f"{class_name}({', '.join(f'{key}={argument_text(value)}' for key, value in arguments.items())})"


def argument_text(value: Any) -> str:
    """A value of a config. An object that Keras serialized is a call as well."""
    text = _text(value)
    if len(text) <= LONGEST:
        return text
    many = f", {len(value)} in all" if isinstance(value, list | tuple | Mapping) else ""
    return f"{text[:LONGEST]}...{many}"


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None:
            return "null"
        case list() | tuple():
            return f"({', '.join(map(_text, value))})"
        case {"class_name": "DTypePolicy", "config": {"name": name}}:
            return str(name)
        case {"class_name": str(name), "config": Mapping() as config}:
            told = {
                key: item
                for key, item in config.items()
                if item is not None and key not in ("name", "trainable", "dtype")
            }
            return f"{name}({', '.join(f'{key}={_text(item)}' for key, item in told.items())})"
        case Mapping():
            return f"{{{', '.join(f'{key}: {_text(item)}' for key, item in value.items())}}}"
        case _:
            return str(value)
