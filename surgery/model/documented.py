"""Documents whose JSON Schema says what is written below each of their keys.

pydantic's own `with_config` sets the same attribute; importing it would take longer than reading the model that is printed.
"""

from __future__ import annotations

from typing import TypeVar

Kind = TypeVar("Kind", bound=type)


def documented(kind: Kind) -> Kind:
    """Has pydantic read the descriptions of a `TypedDict` from its source, once somebody asks it for the schema."""
    kind.__pydantic_config__ = {"use_attribute_docstrings": True}  # type: ignore[attr-defined]
    return kind
