"""What every map of a recipe has in common, and how kinds of maps are told apart by their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Discriminator


class Part(BaseModel):
    """A map of the recipe: known keys only, exact types, never changed after reading."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)


def tag(key: str) -> str:
    """The name of one kind of a union. No key of a recipe looks like it, so that it can be told from keys in a path."""
    return f"<{key}>"


def told_by(*keys: str, word: str | None = None) -> Discriminator:
    """Tells the kinds of a map by the one of these keys that it has; and, where there is one, a word from a map."""
    choice = f"a map with {', '.join(keys[:-1])} or {keys[-1]}"

    def kind(value: Any) -> str | None:
        if isinstance(value, str):
            return tag(value) if value == word else None
        fields: Mapping[str, Any] = value if isinstance(value, Mapping) else getattr(type(value), "model_fields", {})
        found = [key for key in keys if key in fields]
        return tag(found[0]) if len(found) == 1 else None

    # The keys are in the type, not in a context: a discriminator is hashed, and a context is a dict.
    return Discriminator(
        kind,
        custom_error_type=" ".join((ONE_OF, *keys)),
        custom_error_message=choice if word is None else f"{choice}, or the word {word}",
    )


ONE_OF = "one-of"
"""How the type of pydantic's error begins for a map that has none of the keys, or several; the keys follow."""
