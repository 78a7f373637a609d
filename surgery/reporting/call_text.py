"""A layer as a call of its class, `Dense(units=10, activation=softmax)`: every argument that is not at its default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 120
"""Characters of a list or a text; of a longer one the beginning is shown, and how much there is."""


def call_text(class_name: str, arguments: Mapping[str, Any]) -> str:
    """The class with its arguments."""
    return f"{class_name}({', '.join(f'{key}={argument_text(value)}' for key, value in arguments.items())})"


def called_text(calls: Sequence[Mapping[str, Any]]) -> str:
    """How a layer is called beside its inputs: `, called with training=true`; each call by itself where they differ."""
    if not calls:
        return ""
    texts = [", ".join(f"{key}={argument_text(value)}" for key, value in call.items()) or "nothing" for call in calls]
    return f", called with {texts[0] if len(set(texts)) == 1 else ' and then with '.join(texts)}"


def argument_text(value: Any) -> str:
    """A value of a config. An object that Keras serialized is a call as well."""
    match value:
        case bool():
            return str(value).lower()
        case None:
            return "null"
        case list() | tuple():
            inside = [argument_text(item) for item in value]
            if any(isinstance(item, Mapping) for item in value):
                return f"({', '.join(inside)})"
            return _cut(f"({', '.join(inside)})", f"{len(value)} in all")
        case {"class_name": "DTypePolicy", "config": {"name": name}}:
            return str(name)
        case {"class_name": str(name), "config": Mapping() as config}:
            return call_text(name, {key: item for key, item in config.items() if key != "name" and item is not None})
        case Mapping():
            return f"{{{', '.join(f'{key}: {argument_text(item)}' for key, item in value.items())}}}"
        case _:
            text = str(value)
            return _cut(text, f"{len(text)} characters")


def _cut(text: str, size: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({size})"
