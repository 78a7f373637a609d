"""Wrong values in words: what is there, what was wanted, what to type instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from surgery.errors import InvalidValue, WrongType
from surgery.model.nearest import did_you_mean
from surgery.recipe.scalars import write_plain

WANTED: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "a map",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "a map",
    "model_type": "a map",
    "none_required": "null",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What was wanted, by the type of pydantic's error."""

_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "{} or less"),
    "string_too_long": ("max_length", "text of at most {} characters"),
    "string_too_short": ("min_length", "text of at least {} characters"),
    "too_long": ("max_length", "a list of at most {}"),
    "too_short": ("min_length", "a list of at least {}"),
}


def shown(value: Any) -> str:
    """A value in a sentence."""
    match value:
        case None:
            return "nothing"
        case str():
            return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
        case Mapping():
            return "a map" if value else "an empty map"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case _:
            return write_plain(value)


def wrong_type(value: Any, wanted: Sequence[str]) -> WrongType:
    """The error for a value of another type than the key takes."""
    choice = " or ".join(dict.fromkeys(wanted))
    return WrongType(f"{shown(value)} is not {choice}", expected=choice, fix=_other_type(value, wanted))


def _other_type(value: Any, wanted: Sequence[str]) -> str | None:
    if isinstance(value, str):
        if "a whole number" in wanted and re.fullmatch(r"[-+]?\d+", value):
            return f"take the quotes away: {value}"
        if "a number" in wanted and re.fullmatch(r"[-+]?[\d.]+([eE][-+]?\d+)?", value):
            return f"take the quotes away: {value}"
        if "true or false" in wanted and value in ("true", "false"):
            return f"take the quotes away: {value}"
    if "text" in wanted and isinstance(value, bool | int | float):
        return f'quote it: "{write_plain(value)}"'
    if "a list" in wanted and isinstance(value, bool | int | float | str):
        return f"write a list: [{write_plain(value)}]"
    if "a list" in wanted and isinstance(value, Mapping):
        return "begin each item with '- '"
    return None


def wrong_value(kind: str, value: Any, context: Mapping[str, Any]) -> InvalidValue:
    """The error for a value of the right type that the key does not take, by the type of pydantic's error."""
    if kind == "value_error":
        return InvalidValue(str(context["error"]))
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        fix = did_you_mean(value, choices) if isinstance(value, str) else None
        return InvalidValue(f"{shown(value)} is not possible here", expected=context["expected"], fix=fix)
    if kind == "string_pattern_mismatch":
        return InvalidValue(f"{shown(value)} is not possible here", expected=f"text of the form {context['pattern']}")
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        words = words.replace("a list", "a map") if isinstance(value, Mapping) else words
        return InvalidValue(f"{_much(value)} is not possible here", expected=words.format(_number(context[name])))
    return InvalidValue(f"{shown(value)} is not possible here")


def _much(value: Any) -> str:
    return f"a list of {len(value)}" if isinstance(value, list | tuple) else shown(value)


def _number(bound: float) -> str:
    return str(int(bound)) if float(bound).is_integer() else str(bound)
