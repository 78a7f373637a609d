"""What every map of a recipe has in common, and how kinds of maps are told apart by their keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from surgery.model.nearest import did_you_mean


class Part(BaseModel):
    """A map of the recipe: known keys only, exact types, never changed after reading."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True)


def tag(key: str) -> str:
    """The name of one kind of a union. No key of a recipe looks like it, so that it can be told from keys in a path."""
    return f"<{key}>"


def kind_of(*keys: str) -> Callable[[Any], str | None]:
    """A discriminator: the first of these keys that a map has, or that a value made in Python has as a field."""

    def kind(value: Any) -> str | None:
        fields: Mapping[str, Any] = value if isinstance(value, Mapping) else getattr(type(value), "model_fields", {})
        return next((tag(key) for key in keys if key in fields), None)

    return kind


def exactly_one(*keys: str) -> Callable[[Any], Any]:
    """A check that a map has one of these keys, and one only."""
    choice = f"{', '.join(keys[:-1])} or {keys[-1]}"

    def check(value: Any) -> Any:
        if isinstance(value, Part):
            return value
        if not isinstance(value, Mapping):
            raise PydanticCustomError("wrong-type", "a map is needed here", {"expected": f"a map with {choice}"})
        found = [key for key in keys if key in value]
        if len(found) > 1:
            raise PydanticCustomError(
                "invalid-value",
                "'{first}' and '{second}' exclude each other",
                {
                    "first": found[0],
                    "second": found[1],
                    "expected": f"one of {choice}",
                    "at": (found[1],),
                    "mark": "key",
                },
            )
        if not found:
            raise _none_of(keys, choice, value)
        return value

    return check


def _none_of(keys: tuple[str, ...], choice: str, value: Mapping[str, Any]) -> PydanticCustomError:
    for key in value:
        if fix := did_you_mean(key, keys):
            return PydanticCustomError(
                "unknown-key",
                "unknown key '{key}'",
                {
                    "key": key,
                    "expected": f"one of {choice}",
                    "fix": fix,
                    "at": (key,),
                    "mark": "key",
                },
            )
    return PydanticCustomError(
        "missing-key", "a key is missing: {choice}", {"choice": choice, "expected": f"one of {choice}", "mark": "key"}
    )
