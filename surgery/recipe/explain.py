"""What pydantic finds, as errors in the words of the recipe, each at its place in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic_core import ErrorDetails

from surgery.errors import (
    InvalidValue,
    MissingKey,
    SurgeryError,
    UnknownKey,
    UnknownOperation,
    WrongType,
)
from surgery.model.nearest import did_you_mean
from surgery.recipe.document import Document, Key, Mark
from surgery.recipe.fields import keys_at
from surgery.recipe.part import ONE_OF
from surgery.recipe.sentences import WANTED, shown, wrong_type, wrong_value

Keys = tuple[Key, ...]


def explain(found: list[ErrorDetails], document: Document) -> list[SurgeryError]:
    """The errors of a document. What the reader refused already is not said again."""
    found = [details for details in found if not (_is_long_enough(details, document) or _is_beside(details, found))]
    explained = [_explain(details, document) for details in found if details["type"] not in WANTED]
    explained += _wrong_types([details for details in found if details["type"] in WANTED], document)
    return [error for error in explained if not _is_known(error, document)]


def _is_known(error: SurgeryError, document: Document) -> bool:
    """True for what was said when the text or the parameters were read."""
    return document.is_refused(*error.field) or (error.field[:1] == ("parameters",) and len(error.field) > 1)


def _is_beside(details: ErrorDetails, found: list[ErrorDetails]) -> bool:
    """True for what a function makes of a value of which another reading, as a map or a list, got further."""
    loc = details["loc"]
    at = next((index for index, part in enumerate(loc) if str(part).startswith("function-")), None)
    others = [other["loc"] for other in found if at is not None and len(other["loc"]) > at + 1]
    return any(other[:at] == loc[:at] and other[at or 0] != loc[at or 0] for other in others)


def _is_long_enough(details: ErrorDetails, document: Document) -> bool:
    """True for a list that pydantic finds too short because it does not count the items that have errors."""
    node = document.find(*written_keys(details["loc"], document))
    if details["type"] != "too_short" or node is None or not isinstance(node.content, tuple):
        return False
    return len(node.content) >= int(details["ctx"]["min_length"])


def _wrong_types(found: list[ErrorDetails], document: Document) -> list[SurgeryError]:
    """One error for each value of a wrong type, whichever of several types it could have had."""
    wanted: dict[Keys, list[str]] = {}
    values: dict[Keys, Any] = {}
    for details in found:
        keys = written_keys(details["loc"], document)
        wanted.setdefault(keys, []).append(WANTED[details["type"]])
        values[keys] = details["input"]
    return [_placed(wrong_type(values[keys], wanted[keys]), keys, document) for keys in wanted]


def _explain(details: ErrorDetails, document: Document) -> SurgeryError:
    keys = written_keys(details["loc"], document)
    context: Mapping[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return _placed(_missing(str(details["loc"][-1])), keys, document, "key", subject(keys, document))
        case "extra_forbidden":
            return _placed(_unknown_key(details["loc"], str(keys[-1])), keys, document, "key")
        case "union_tag_not_found":
            return _placed(_no_operation(details["input"]), keys, document, "key", subject(keys, document))
        case "union_tag_invalid":
            return _placed(_unknown_operation(context), (*keys, "op"), document, whose="")
        case one_of if one_of.startswith(ONE_OF):
            return _one_of(one_of.split()[1:], details["msg"], keys, document)
        case code if code in _codes():
            error = _codes()[code](details["msg"], expected=context.get("expected"), fix=context.get("fix"))
            mark: Mark = "key" if details["loc"][-1:] == ("[key]",) else context.get("mark", "value")
            return _placed(error, (*keys, *context.get("at", ())), document, mark)
        case other:
            return _placed(wrong_value(other, details["input"], context), keys, document)


@cache
def _codes() -> Mapping[str, type[SurgeryError]]:
    """Every error class by its code."""
    return {error.code(): error for error in _below(SurgeryError)}


def _below(error: type[SurgeryError]) -> list[type[SurgeryError]]:
    return [each for child in error.__subclasses__() for each in (child, *_below(child))]


def _placed(
    error: SurgeryError, keys: Keys, document: Document, mark: Mark = "value", whose: str | None = None
) -> SurgeryError:
    """The error with its place, whose it is, and the parameters that the value came from."""
    node = document.find(*keys)
    if node and node.parameters:
        error.what += f" (from {', '.join(f'${{{name}}}' for name in node.parameters)})"
    prefix = subject(keys[:-1] if mark == "key" else keys, document) if whose is None else whose
    error.field = keys
    return (error.prefixed(prefix) if prefix else error).at(document.location(*keys, mark=mark))


def subject(keys: Keys, document: Document) -> str:
    """Whose an error is: the operation, or the path of the keys."""
    for end in range(len(keys), 1, -1):
        name = document.find(*keys[:end], "op")
        if name and isinstance(name.content, str) and keys[end - 2] == "operations":
            return name.content
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.lstrip(".")


def written_keys(loc: tuple[Key, ...], document: Document) -> Keys:
    """The keys of the file in pydantic's location: without the tags of unions, which nobody wrote."""
    keys: Keys = ()
    tagged = False
    for part in loc:
        node = document.find(*keys)
        name = node.child("op") if node else None
        if not tagged and name is not None and name.content == part and keys[-2:-1] == ("operations",):
            tagged = True
        elif node and node.child(part) is not None:
            keys, tagged = (*keys, part), False
    return keys


def _missing(key: str) -> MissingKey:
    return MissingKey(f"the key '{key}' is missing", expected=f"{key}: ...", fix=f"add '{key}:'")


def _unknown_key(loc: Keys, key: str) -> UnknownKey:
    known = keys_at(loc[:-1])
    fix = did_you_mean(key, known) or f"take '{key}' out"
    return UnknownKey(f"unknown key '{key}'", expected=f"one of {', '.join(known)}" if known else None, fix=fix)


def _one_of(choice: list[str], expected: str, keys: Keys, document: Document) -> SurgeryError:
    """The error of a map that is told by one of several keys, and has none of them or more than one."""
    node = document.find(*keys)
    if node is None or not isinstance(node.content, Mapping):
        value = node.plain() if node else None
        return _placed(WrongType(f"{shown(value)} is not possible here", expected=expected), keys, document)
    found = [key for key in node.content if key in choice]
    if len(found) > 1:
        what = f"'{found[0]}' and '{found[1]}' exclude each other"
        return _placed(InvalidValue(what, expected=expected), (*keys, found[1]), document, "key")
    for key in node.content:
        if fix := did_you_mean(key, choice):
            unknown = UnknownKey(f"unknown key '{key}'", expected=expected, fix=fix)
            return _placed(unknown, (*keys, key), document, "key")
    missing = MissingKey("what it is made of is missing", expected=expected)
    return _placed(missing, keys, document, "key", subject(keys, document))


def _no_operation(value: Any) -> SurgeryError:
    near = next((key for key in value if did_you_mean(key, ["op"])), None) if isinstance(value, Mapping) else None
    fix = f"did you mean 'op' instead of '{near}'?" if near else "list the operations with: surgery ops"
    return MissingKey("the key 'op' is missing", expected="op: and the name of an operation", fix=fix)


def _unknown_operation(context: Mapping[str, Any]) -> UnknownOperation:
    known = re.findall(r"'([^']*)'", context["expected_tags"])
    fix = did_you_mean(context["tag"], known) or "list the operations with: surgery ops"
    return UnknownOperation(
        f"there is no operation '{context['tag']}'", expected=f"one of {', '.join(sorted(known))}", fix=fix
    )
