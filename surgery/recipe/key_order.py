"""The canonical order of keys: that of the fields in the types, so that it is the one of the reference pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from inspect import get_annotations
from typing import Any

from pydantic import BaseModel

from surgery.operations import Operation

LAST = 1_000


@cache
def key_order(kind: type[BaseModel]) -> Mapping[str, int]:
    """The place of every key of a map: a class's own fields first, then those that it shares with others.

    An operation begins with `op` and ends with what every operation takes; between them the author's order tells the story.
    """
    fields = [name for owner in kind.__mro__ for name in get_annotations(owner)]
    names = dict.fromkeys(name for name in fields if name in kind.model_fields)
    if issubclass(kind, Operation):
        return {name: LAST if name in Operation.model_fields else 1 for name in _keys(kind, names)} | {"op": 0}
    return {name: place for place, name in enumerate(_keys(kind, names))}


def _keys(kind: type[BaseModel], names: Iterable[str]) -> list[str]:
    return [kind.model_fields[name].alias or name for name in names]


def order_in(value: Any, key: str | None) -> int:
    """Where a key comes among those of a value. What is no map of the format keeps the order it was written in."""
    if key is None or not isinstance(value, BaseModel):
        return 0
    return key_order(type(value)).get(key, LAST)


def below(value: Any, key: str | None, index: int) -> Any:
    """What a loaded recipe has under a key, or at an index of a list."""
    match value:
        case BaseModel():
            names = {info.alias or name: name for name, info in type(value).model_fields.items()}
            return getattr(value, names[key]) if key in names else None
        case list() | tuple():
            return value[index] if index < len(value) else None
        case _:
            return None
