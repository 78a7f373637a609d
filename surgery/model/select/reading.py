"""A plain YAML value to a selector, or a refusal in YAML words that says which key of it is wrong."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic_core import PydanticCustomError

from surgery.model.flow import flow
from surgery.model.select.expression import Expression, ExpressionRefused
from surgery.model.select.glob import LONGEST_GLOB, has_wildcard
from surgery.model.select.syntax import (
    AllOf,
    AnyOf,
    Between,
    ClassName,
    ConfigValues,
    DownstreamOf,
    End,
    First,
    Index,
    Last,
    Node,
    Not,
    Pattern,
    Range,
    Regex,
    UpstreamOf,
)

Keys = tuple[str | int, ...]

FORMS = "a name, a path or a glob, an index, a list of selectors, or a mapping such as {class: Conv2D}"


def read_selector(value: Any) -> Node:
    """The selector that a YAML value stands for; a selector stays as it is.

    Raises:
        PydanticCustomError: With the code of a `SurgeryError` and `at`, the keys down to what is wrong.
    """
    return _read(value, ())


def _read(value: Any, at: Keys) -> Node:
    if isinstance(value, get_args(Node)):
        return value  # type: ignore[no-any-return]
    match value:
        case str():
            return Pattern(_text(value, at, "a selector"))
        case bool():
            raise _refusal("wrong-type", f"{flow(value)} is not a selector", at, FORMS)
        case int():
            return Index(value)
        case list() | tuple():
            return AnyOf(_members(value, at), bare=True)
        case Mapping():
            return _read_mapping(value, at)
        case _:
            raise _refusal("wrong-type", f"{_kind(value)} is not a selector", at, FORMS)


def _read_mapping(value: Mapping[Any, Any], at: Keys) -> Node:
    if not value:
        raise _refusal("invalid-value", "an empty mapping is not a selector", at, FORMS, "for every layer write: '**'")
    for key in value:
        if key not in _KEYS:
            raise _unknown_key(key, at)
    forms = [form for form in dict.fromkeys(_FORM_OF.get(key, "of") for key in value) if form != "of"]
    if not forms:
        raise _refusal(
            "missing-key", "'of' alone chooses nothing", at, "first, last, from or to beside it", "{last: 5, of: ...}"
        )
    if len(forms) > 1:
        parts = [{key: item for key, item in value.items() if _FORM_OF.get(key) == form} for form in forms]
        raise _refusal(
            "invalid-value",
            f"'{_word(forms[0])}' and '{_word(forms[1])}' do not go into one selector",
            at,
            "one form in each mapping",
            flow({"all": parts}) if "of" not in value else None,
        )
    if "of" in value and forms[0] not in _WITH_OF:
        raise _refusal(
            "unknown-key",
            f"'of' does not go with '{forms[0]}'",
            (*at, "of"),
            "'of' beside first, last, from or to",
            mark="key",
        )
    return _READERS[forms[0]](value, at)


def _range(value: Mapping[str, Any], at: Keys) -> Node:
    ends = {key: _end(value[key], (*at, key)) for key in ("from", "to") if key in value}
    return Range(ends.get("from"), ends.get("to"), _of(value, at))


def _end(value: Any, at: Keys) -> End:
    if isinstance(value, str):
        return _text(value, at, "an end of a range")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _refusal("wrong-type", f"{_kind(value)} is not an end of a range", at, "a layer name or an index")


def _first(value: Mapping[str, Any], at: Keys) -> Node:
    return First(_count(value["first"], (*at, "first")), _of(value, at))


def _last(value: Mapping[str, Any], at: Keys) -> Node:
    return Last(_count(value["last"], (*at, "last")), _of(value, at))


def _count(value: Any, at: Keys) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refusal("wrong-type", f"{_kind(value)} is not a number of layers", at, "a whole number from 1")
    if value < 1:
        raise _refusal("invalid-value", f"{value} is not a number of layers to choose", at, "a whole number from 1")
    return value


def _class(value: Mapping[str, Any], at: Keys) -> Node:
    names, at = value["class"], (*at, "class")
    if isinstance(names, str):
        return ClassName(_text(names, at, "a class name"))
    if not isinstance(names, list | tuple):
        raise _refusal(
            "wrong-type", f"{_kind(names)} is not a class name", at, "a class name such as Conv2D, or a list of them"
        )
    if not names:
        raise _refusal("invalid-value", "the list of classes is empty", at, "at least one class name")
    for number, name in enumerate(names):
        if not isinstance(name, str):
            raise _refusal(
                "wrong-type", f"{_kind(name)} is not a class name", (*at, number), "a class name such as Conv2D"
            )
        _text(name, (*at, number), "a class name")
    return ClassName(tuple(names))


def _regex(value: Mapping[str, Any], at: Keys) -> Node:
    pattern, at = value["regex"], (*at, "regex")
    if not isinstance(pattern, str):
        raise _refusal(
            "wrong-type", f"{_kind(pattern)} is not a regular expression", at, "a string, best in single quotes"
        )
    try:
        Expression(pattern)
    except ExpressionRefused as error:
        message = f"'{pattern}' is not a regular expression: {error.why}"
        raise _refusal("invalid-value", message, at, "a regular expression of RE2", error.fix) from None
    return Regex(pattern)


def _config(value: Mapping[str, Any], at: Keys) -> Node:
    values, at = value["config"], (*at, "config")
    expected = "constructor arguments and their values, such as {activation: relu}"
    if not isinstance(values, Mapping):
        raise _refusal("wrong-type", f"{_kind(values)} is not a config", at, expected)
    if not values:
        raise _refusal("invalid-value", "an empty config chooses nothing", at, expected)
    for key in values:
        if not isinstance(key, str):
            raise _refusal(
                "wrong-type", f"{_kind(key)} is not the name of an argument", (*at, key), expected, mark="key"
            )
    return ConfigValues(copy.deepcopy(dict(values)))


def _between(value: Mapping[str, Any], at: Keys) -> Node:
    ends, at = value["between"], (*at, "between")
    if not isinstance(ends, list | tuple):
        raise _refusal("wrong-type", f"{_kind(ends)} is not a pair of layers", at, "two selectors: [from, to]")
    if len(ends) != 2:
        raise _refusal("invalid-value", f"'between' has {len(ends)} ends", at, "two selectors: [from, to]")
    return Between(_read(ends[0], (*at, 0)), _read(ends[1], (*at, 1)))


def _listed(key: str, make: Callable[[tuple[Node, ...]], Node]) -> Callable[[Mapping[str, Any], Keys], Node]:
    def read(value: Mapping[str, Any], at: Keys) -> Node:
        members = value[key]
        if not isinstance(members, list | tuple):
            raise _refusal(
                "wrong-type",
                f"'{key}' takes a list of selectors, not {_kind(members)}",
                (*at, key),
                "a list of selectors",
            )
        return make(_members(members, (*at, key)))

    return read


def _members(values: list[Any] | tuple[Any, ...], at: Keys) -> tuple[Node, ...]:
    if not values:
        raise _refusal("invalid-value", "the list of selectors is empty", at, "at least one selector")
    return tuple(_read(value, (*at, number)) for number, value in enumerate(values))


def _of(value: Mapping[str, Any], at: Keys) -> Node | None:
    return _read(value["of"], (*at, "of")) if "of" in value else None


def _text(text: str, at: Keys, what: str) -> str:
    if not text.strip():
        raise _refusal("invalid-value", f"an empty string is not {what}", at, "a name")
    if len(text) > LONGEST_GLOB and has_wildcard(text):
        raise _refusal("limit-exceeded", f"a glob of {len(text)} characters", at, f"at most {LONGEST_GLOB}")
    return text


_READERS: dict[str, Callable[[Mapping[str, Any], Keys], Node]] = {
    "range": _range,
    "first": _first,
    "last": _last,
    "class": _class,
    "regex": _regex,
    "config": _config,
    "upstream_of": lambda value, at: UpstreamOf(_read(value["upstream_of"], (*at, "upstream_of"))),
    "downstream_of": lambda value, at: DownstreamOf(_read(value["downstream_of"], (*at, "downstream_of"))),
    "between": _between,
    "any": _listed("any", AnyOf),
    "all": _listed("all", AllOf),
    "not": lambda value, at: Not(_read(value["not"], (*at, "not"))),
}
_FORM_OF = {form: form for form in _READERS if form != "range"} | {"from": "range", "to": "range"}
_WITH_OF = {"range", "first", "last"}
_KEYS = ("from", "to", *(form for form in _READERS if form != "range"), "of")


def _word(form: str) -> str:
    return "from/to" if form == "range" else form


def _kind(value: Any) -> str:
    """A value in YAML words."""
    match value:
        case None:
            return "null"
        case bool():
            return flow(value)
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the string '{value}'"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def _unknown_key(key: Any, at: Keys) -> PydanticCustomError:
    nearest = difflib.get_close_matches(str(key), _KEYS, n=1, cutoff=0.5)
    fix = f"did you mean '{nearest[0]}'?" if nearest else None
    expected = "one of " + ", ".join(_KEYS)
    return _refusal("unknown-key", f"'{key}' is not a form of selector", (*at, key), expected, fix, mark="key")


def _refusal(
    code: str, message: str, at: Keys, expected: str, fix: str | None = None, mark: str = "value"
) -> PydanticCustomError:
    context: dict[str, Any] = {"expected": expected, "at": at, "mark": mark}
    if fix is not None:
        context["fix"] = fix
    # pydantic fills the template key by key: with the message as the last key, no brace in it is taken for another one.
    return PydanticCustomError(code, "{message}", context | {"message": message})
