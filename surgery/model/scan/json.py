"""A JSON text of a model file: bounded before it is parsed, strict while it is parsed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from surgery.model.scan import limits
from surgery.model.scan.rule import Found, Place, joined, rule
from surgery.model.scan.verdict import Status

FAMILY = "json"

_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},]', re.DOTALL)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""How a text of UTF-8 can have half a character in it at all."""
_CONTAINERS = (dict, list)
_OBJECT_BYTES, _LIST_BYTES, _VALUE_BYTES = 240, 72, 64


@dataclass(frozen=True, slots=True)
class OddNumber:
    """Stands where the text has a number that JSON or a 64-bit integer cannot hold."""

    text: str


@dataclass(frozen=True)
class JsonText:
    """A JSON text. `value` is None where it is too large, too deep or invalid; the rules say which."""

    data: bytes | None
    size: int
    stored: int = 0
    """How many bytes the file has of it."""

    @cached_property
    def is_small(self) -> bool:
        return self.size <= limits.JSON_BYTES

    @cached_property
    def text(self) -> str | None:
        """Decoded as UTF-8 and nothing else: `json.loads` would guess UTF-16 from the first bytes."""
        if self.data is None or not self.is_small:
            return None
        try:
            return self.data.decode("utf-8")
        except UnicodeDecodeError:
            return None

    @cached_property
    def depth_and_memory(self) -> tuple[int, int]:
        """How deep values nest, and about how many bytes the parsed values will take."""
        depth = deepest = 0
        memory = 2 * len(self.text or "")
        for match in _STRUCTURE.finditer(self.text or ""):
            match match[0]:
                case "{" | "[" as opening:
                    depth += 1
                    deepest = max(deepest, depth)
                    memory += _OBJECT_BYTES if opening == "{" else _LIST_BYTES
                case "}" | "]":
                    depth -= 1
                case _:
                    memory += _VALUE_BYTES
        return deepest, memory

    @cached_property
    def is_parsable(self) -> bool:
        depth, memory = self.depth_and_memory
        return self.text is not None and depth <= limits.JSON_DEPTH and memory <= self.memory_allowed

    @property
    def memory_allowed(self) -> int:
        return limits.JSON_MEMORY_BYTES + limits.JSON_MEMORY_PER_BYTE * self.stored

    @cached_property
    def _parsed(self) -> tuple[Any, str, dict[int, str], list[OddNumber]]:
        repeated: dict[int, str] = {}
        odd: list[OddNumber] = []
        if not self.is_parsable:
            return None, "", repeated, odd

        def kept(number: Any) -> Any:
            if isinstance(number, OddNumber):
                odd.append(number)
            return number

        def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            found = dict(pairs)
            if len(found) < len(pairs):
                counts = Counter(key for key, _ in pairs)
                repeated[id(found)] = next(key for key, count in counts.items() if count > 1)
            return found

        try:
            value = json.loads(
                self.text or "",
                object_pairs_hook=mapping,
                parse_constant=lambda text: kept(OddNumber(text)),
                parse_int=lambda text: kept(_integer(text)),
                parse_float=lambda text: kept(_float(text)),
            )
        except (ValueError, RecursionError) as error:
            return None, str(error) or type(error).__name__, {}, []
        return value, "", repeated, odd

    @property
    def value(self) -> Any:
        return self._parsed[0]

    @property
    def problem(self) -> str:
        return self._parsed[1]

    @property
    def repeated(self) -> dict[int, str]:
        """The key that stands twice in an object, by the object's id."""
        return self._parsed[2]

    @property
    def odd(self) -> list[OddNumber]:
        """The numbers that are none."""
        return self._parsed[3]


def _integer(text: str) -> int | OddNumber:
    return int(text) if len(text.lstrip("-")) <= limits.INTEGER_DIGITS else OddNumber(text)


def _float(text: str) -> float | OddNumber:
    value = float(text)
    return OddNumber(text) if value in (float("inf"), float("-inf")) else value


def nodes(value: Any, path: Place = "$") -> Iterator[tuple[Place, Any]]:
    """Every object and list of a parsed text with its place in it, in the order of the text."""
    stack = [(path, value)]
    while stack:
        path, value = stack.pop()
        yield path, value
        # Nothing is called here that need not be: a large model has a million of these.
        children = [((path, key), child) for key, child in items(value) if type(child) in _CONTAINERS]
        children.reverse()
        stack += children


def items(value: Any) -> Iterable[tuple[str | int, Any]]:
    """The keys or positions of an object or list, with what stands there."""
    if type(value) is dict:
        return value.items()
    return enumerate(value) if type(value) is list else ()


@rule("json-too-large", FAMILY)
def too_large(text: JsonText) -> Found:
    """A JSON text of more than 16 MiB, or one whose values would fill memory when parsed. The largest config of
    keras.applications has 1 MiB."""
    if not text.is_small:
        yield "", f"{text.size} bytes of JSON"
    elif text.depth_and_memory[1] > text.memory_allowed:
        yield "", f"{text.size} bytes of JSON would take {text.depth_and_memory[1]} bytes of memory"


@rule("json-too-deep", FAMILY)
def too_deep(text: JsonText) -> Found:
    """JSON values nested more than 200 deep; a parser that recurses would overflow."""
    if text.depth_and_memory[0] > limits.JSON_DEPTH:
        yield "", f"values nest {text.depth_and_memory[0]} deep"


@rule("json-encoding", FAMILY)
def encoding(text: JsonText) -> Found:
    """A JSON text that is not UTF-8, or strings with half a character in them (a lone surrogate), which programs decode
    differently."""
    if text.data is not None and text.is_small and text.text is None:
        yield "", "the text is not UTF-8"
    for path, value in nodes(text.value) if _HALF.search(text.text or "") else ():
        for key, child in items(value):
            if _has_surrogate(key) or _has_surrogate(child):
                yield path, "a string has half a character in it"


def _has_surrogate(value: object) -> bool:
    return isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value)


@rule("json-invalid", FAMILY, Status.UNCHECKED)
def invalid(text: JsonText) -> Found:
    """A text that is not JSON, or a member that is damaged (its checksum does not agree)."""
    if text.data is None and text.is_small:
        yield "", "the member is damaged: its checksum or size does not agree"
    if text.problem:
        yield "", f"the text is not JSON: {text.problem}"


@rule("json-not-an-object", FAMILY, Status.UNCHECKED)
def not_an_object(text: JsonText) -> Found:
    """The config of a model is a JSON object; this text is a list, a number or a string."""
    if text.is_parsable and not text.problem and not isinstance(text.value, dict):
        yield "$", "the text is not a JSON object"


@rule("json-duplicate-key", FAMILY)
def duplicate_key(text: JsonText) -> Found:
    """An object has the same key twice: one program takes the first value, another the last."""
    for path, value in nodes(text.value) if text.repeated else ():
        if id(value) in text.repeated:
            yield path, f"the key {text.repeated[id(value)]!r} stands twice"


@rule("json-number", FAMILY)
def odd_number(text: JsonText) -> Found:
    """NaN, an infinity, or an integer of more than 19 digits: not JSON, and read differently or not at all elsewhere."""
    for path, value in nodes(text.value) if text.odd else ():
        for key, child in items(value):
            if isinstance(child, OddNumber):
                yield joined(path, key), f"the number {child.text[:40]}"
