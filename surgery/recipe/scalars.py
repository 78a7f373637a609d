"""What a plain scalar means: null, true, false, a number, text. What YAML tools disagree about is refused, not guessed.

YAML 1.1 reads `no` as false, `0777` as 511, `1_000` as 1000, `12:30` as 750 and `2026-01-31` as a date; YAML 1.2 reads
none of them so. Whoever means one of these readings can write it plainly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from surgery.errors import AmbiguousValue, InvalidValue, LimitExceeded
from surgery.recipe.document import Scalar

_CONSTANTS: Mapping[str, Scalar] = {
    word: value
    for name, value in (("null", None), ("true", True), ("false", False))
    for word in (name, name.capitalize(), name.upper())
} | {"": None, "~": None}

_SWITCHES = {"yes": "true", "on": "true", "no": "false", "off": "false"}

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")
# Possessive, for a scalar may be as long as a recipe: each character is looked at once.
_UNDERSCORES = re.compile(r"[-+]?[0-9.]++_[0-9_.]*+([eE][-+]?[0-9]+)?")
_OTHER_BASE = re.compile(r"[-+]?0[xXoObB][0-9a-fA-F_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")

LONGEST_INTEGER = 19


def read_plain(text: str) -> Scalar:
    """The value of a scalar without quotes.

    Raises:
        AmbiguousValue: when YAML tools would read different values.
        InvalidValue: when it is a number that is not finite.
        LimitExceeded: when it is an integer beyond 64 bits.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text.lower() in _SWITCHES and text in (text.lower(), text.upper(), text.capitalize()):
        raise _ambiguous(text, f"write {_SWITCHES[text.lower()]}, or quote it", "true or false, or quoted text")
    if text == "None":
        raise _ambiguous(text, "write null, or quote it", "null, or quoted text")
    if text[0] in "+-.0123456789":
        return _read_number(text)
    return text


def _read_number(text: str) -> Scalar:
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    if _NOT_FINITE.fullmatch(text):
        raise _not_finite(text)
    if _LEADING_ZERO.fullmatch(text):
        raise _ambiguous(text, _without_zeros(text), "a number without leading zeros, or quoted text")
    if _UNDERSCORES.fullmatch(text):
        raise _ambiguous(text, f"write {text.replace('_', '')}, or quote it", "a number of digits, or quoted text")
    if _OTHER_BASE.fullmatch(text):
        raise _ambiguous(text, "write it in decimal, or quote it", "a decimal number, or quoted text")
    if _SEXAGESIMAL.fullmatch(text) or _DATE.fullmatch(text):
        raise _ambiguous(text, "quote it", "a decimal number, or quoted text")
    return text


def _without_zeros(text: str) -> str:
    digits = text.lstrip("+-").lstrip("0") or "0"
    octal = re.fullmatch("[0-7]{2,40}", digits)
    return f"write {digits}{f', {int(digits, 8)} where octal was meant,' if octal else ','} or quote it"


def _integer(text: str) -> int:
    if len(text.lstrip("+-")) > LONGEST_INTEGER or not -(2**63) <= int(text) < 2**63:
        raise LimitExceeded("an integer of this size fits no recipe", expected="an integer of 64 bits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _not_finite(text)
    return value


def _not_finite(text: str) -> InvalidValue:
    return InvalidValue(f"{_short(text)} is not a finite number", expected="a finite number, or quoted text")


def _ambiguous(text: str, advice: str, expected: str) -> AmbiguousValue:
    shown = _short(text)
    fix = f'{advice}: "{text}"' if shown == text else "quote it"
    return AmbiguousValue(f"{shown} means different things to different YAML tools", expected=expected, fix=fix)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def write_plain(value: Scalar) -> str:
    """A value as it would stand in a recipe: `true`, `null`, `0.001`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
        case _:
            return str(value)
