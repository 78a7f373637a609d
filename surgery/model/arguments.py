"""The types of constructor arguments: what a value must be, as JSON Schema and in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from surgery.model import catalogue
from surgery.model.catalogue import Argument

Schema = dict[str, Any]

OBJECTS: Mapping[str, str] = {
    "activation": "layers",
    "constraint": "constraints",
    "initializer": "initializers",
    "layer": "layers",
    "layers": "layers",
    "learning_rate": "schedules",
    "loss": "losses",
    "metric": "metrics",
    "optimizer": "optimizers",
    "regularizer": "regularizers",
}
"""Types that take a one-key map, with the kind of class that it names."""

NAMED = {
    "activation": "activations",
    "constraint": "constraints",
    "initializer": "initializers",
    "loss": "losses",
    "metric": "metrics",
    "optimizer": "optimizers",
    "regularizer": "regularizers",
}
"""Types that take a bare name, with the list of those names."""

NOTHING: Schema = {"not": {}}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 1}
NATURAL: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
PAIR: Schema = {"type": "array", "items": NATURAL, "minItems": 2, "maxItems": 2}

DEPTH = 4
"""How deep lists of plain values may lie in one another: the axes of an array."""


def _nested(*items: Schema) -> Schema:
    """One of some schemas, or lists of them, in lists, and so on. None of it is a map."""
    schema: Schema = {"anyOf": list(items)}
    for _ in range(DEPTH):
        schema = {"anyOf": [*items, {"type": "array", "items": schema}]}
    return schema


SCALARS: tuple[Schema, ...] = ({"type": "string"}, NUMBER, {"type": "boolean"}, {"type": "null"})
VALUE: Schema = _nested(*SCALARS)
"""What an argument may be of which no more is known: never a map, for Keras would make an object of one."""


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """What values a type has: `schema` in JSON Schema's words, `words` in a user's."""

    schema: Callable[[Argument], Schema]
    words: Callable[[Argument], str]


def _fixed(schema: Schema, words: str) -> ArgumentType:
    return ArgumentType(lambda _: schema, lambda _: words)


def _list_of(items: Schema, words: str) -> ArgumentType:
    return _fixed({"type": "array", "items": items}, words)


def _one_or_each(number: Schema, words: str) -> ArgumentType:
    def schema(argument: Argument) -> Schema:
        ends = {"minItems": argument.size, "maxItems": argument.size} if argument.size else {}
        return {"anyOf": [number, {"type": "array", "items": number, **ends}]}

    return ArgumentType(schema, lambda argument: f"{words}, or a list of {argument.size or 'them'}")


def _choices(argument: Argument) -> Schema:
    return {"enum": list(argument.choices)}


def _named(argument: Argument) -> Schema:
    return {"enum": sorted(catalogue.bare_names(NAMED[argument.type]))}


def _named_words(argument: Argument) -> str:
    return f"the name of {with_article(argument.type)}, or a map such as {_EXAMPLES[argument.type]}"


def with_article(noun: str) -> str:
    """A noun, or an adjective with one, after `a` or `an`."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


_EXAMPLES = {
    "activation": "{LeakyReLU: {negative_slope: 0.1}}",
    "constraint": "{MaxNorm: {max_value: 2}}",
    "initializer": "{RandomNormal: {stddev: 0.1}}",
    "loss": "{Huber: {delta: 2.0}}",
    "metric": "{AUC: {curve: PR}}",
    "optimizer": "{Adam: {learning_rate: 0.001}}",
    "regularizer": "{L2: {l2: 0.01}}",
}

TYPES: Mapping[str, ArgumentType] = {
    "axes": _fixed({"anyOf": [INTEGER, {"type": "array", "items": INTEGER}]}, "an axis, or a list of axes"),
    "boolean": _fixed({"type": "boolean"}, "true or false"),
    "clipping": _fixed(
        {
            "type": "object",
            "propertyNames": {"enum": ["rmax", "rmin", "dmax"]},
            "additionalProperties": NUMBER,
        },
        "numbers for rmax, rmin and dmax",
    ),
    "choice": ArgumentType(_choices, lambda argument: "one of " + ", ".join(map(str, argument.choices))),
    "count": _fixed(COUNT, "a positive integer"),
    "dtype": ArgumentType(lambda _: {"enum": list(catalogue.dtypes())}, lambda _: "the name of a dtype or a policy"),
    "fraction": _fixed({"type": "number", "minimum": 0, "maximum": 1}, "a number from 0 to 1"),
    "integer": _fixed(INTEGER, "an integer"),
    "integers": _list_of(INTEGER, "a list of integers"),
    "interval": _fixed(
        {"anyOf": [NUMBER, {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}]},
        "a number, or a list of a lower and an upper one",
    ),
    "layer": _fixed(NOTHING, "a layer, such as {LSTM: {units: 32}}"),
    "layers": _fixed(NOTHING, "a list of layers, each such as {LSTMCell: {units: 32}}"),
    "learning_rate": _fixed(NUMBER, "a number, or a schedule such as {CosineDecay: {...}}"),
    "list": _list_of(VALUE, "a list of plain values"),
    "natural": _fixed(NATURAL, "a whole number, 0 or more"),
    "naturals": _one_or_each(NATURAL, "a whole number, 0 or more"),
    "nothing": _fixed({"type": "null"}, "no value; it cannot be written in a recipe"),
    "number": _fixed(NUMBER, "a number"),
    "numbers": _list_of(NUMBER, "a list of numbers"),
    "scalar_or_list": _fixed(
        _nested(NUMBER),
        "a number, or a list of numbers",
    ),
    "path": _fixed({"type": "string", "minLength": 1}, "a path inside the folder of the run"),
    "shape": _list_of({"anyOf": [INTEGER, {"type": "null"}]}, "a list of integers, null for what varies"),
    "sides": _fixed(
        {"anyOf": [NATURAL, {"type": "array", "items": {"anyOf": [NATURAL, PAIR]}}]},
        "a whole number, or a list of one number or pair for each axis",
    ),
    "sizes": _one_or_each(COUNT, "a positive integer"),
    "string": _fixed({"type": "string"}, "a string"),
    "string_or_integer": _fixed({"anyOf": [{"type": "string"}, INTEGER]}, "a string or an integer"),
    "value": _fixed(VALUE, "a string, a number, true or false, or a list of them"),
} | {name: ArgumentType(_named, _named_words) for name in NAMED}


def plain_schema(argument: Argument) -> Schema:
    """What a value that is not a one-key map must be."""
    return TYPES[argument.type].schema(argument)


def expected(argument: Argument) -> str:
    """What the argument takes, in words."""
    words = TYPES[argument.type].words(argument)
    return f"{words}, or null" if argument.is_nullable and argument.type != "nothing" else words


def fits(value: Any, schema: Schema) -> bool:
    """Whether a value is what a schema of this file says; JSON Schema's own meaning, for the words used here."""
    if not schema:
        return True
    if "anyOf" in schema:
        return any(fits(value, part) for part in schema["anyOf"])
    if "not" in schema:
        return not fits(value, schema["not"])
    if "enum" in schema:
        return any(value == known and type(value) is type(known) for known in schema["enum"])
    return is_type(value, schema.get("type")) and _within(value, schema)


def is_type(value: Any, name: str | None) -> bool:
    """Whether a value has a type of JSON Schema."""
    match name:
        case None:
            return True
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case _:
            return isinstance(value, _PYTHON[name])


_PYTHON: Mapping[str, type | tuple[type, ...]] = {
    "array": (list, tuple),
    "boolean": bool,
    "null": type(None),
    "object": Mapping,
    "string": str,
}


def _within(value: Any, schema: Schema) -> bool:
    if isinstance(value, list | tuple):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        return all(fits(item, schema.get("items", NOTHING)) for item in value)
    if isinstance(value, Mapping):
        # Closed unless a schema opens it: what it does not speak of may be a serialized object.
        names: Schema = schema.get("propertyNames", NOTHING)
        items: Schema = schema.get("additionalProperties", NOTHING)
        return bool(value) and all(fits(key, names) and fits(item, items) for key, item in value.items())
    if isinstance(value, str):
        return bool(len(value) >= schema.get("minLength", 0))
    if isinstance(value, int | float):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


def types_of(schema: Schema) -> set[str]:
    """The JSON types that a schema allows at its top; empty when it allows all."""
    if "anyOf" in schema:
        return set().union(*(types_of(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return {"string"} if all(isinstance(known, str) for known in schema["enum"]) else set()
    return {schema["type"]} if "type" in schema else set()
