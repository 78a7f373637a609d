"""The keys that the recipe format has at a place, found by going down the types of the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, Tag


class _Kind(NamedTuple):
    """A type that a value may have, and the tag by which pydantic's locations name it, if it is one of several."""

    type: Any
    tag: str | None = None


def keys_at(loc: tuple[str | int, ...]) -> tuple[str, ...]:
    """The known keys of the map at one of pydantic's locations, in the order of the format."""
    from surgery.recipe.recipe import Recipe

    kinds = [_Kind(Recipe)]
    for part in loc:
        tagged = [_Kind(kind.type) for kind in kinds if kind.tag == part]
        kinds = tagged or [below for kind in kinds for below in _below(kind.type, part)]
    model = next((kind.type for kind in kinds if _is_model(kind.type)), None)
    return tuple(field.alias or name for name, field in model.model_fields.items()) if model else ()


def _below(kind: Any, part: str | int) -> Iterator[_Kind]:
    """What a value of a type may have under a key or at an index."""
    arguments = get_args(kind)
    if _is_model(kind):
        for name, field in kind.model_fields.items():
            if part == (field.alias or name):
                yield from _kinds(field.annotation)
    elif get_origin(kind) is dict:
        yield from _kinds(arguments[1])
    elif get_origin(kind) is tuple and isinstance(part, int):
        yield from _kinds(arguments[0])


def _kinds(annotation: Any, tag: str | None = None) -> Iterator[_Kind]:
    """The types that an annotation allows, out of unions and annotations."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        tags = [item.tag for item in arguments[1:] if isinstance(item, Tag)]
        yield from _kinds(arguments[0], tags[0] if tags else tag)
    elif origin in (Union, UnionType):
        for argument in arguments:
            yield from _kinds(argument, tag)
    elif _is_model(annotation) and "op" in annotation.model_fields:
        yield _Kind(annotation, get_args(annotation.model_fields["op"].annotation)[0])
    else:
        yield _Kind(annotation, tag)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
