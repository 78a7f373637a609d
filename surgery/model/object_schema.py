"""JSON Schema of one-key maps: what lets an editor complete `Dense: {un...`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from surgery.model import catalogue
from surgery.model.arguments import NAMED, OBJECTS, TYPES, expected, plain_schema
from surgery.model.catalogue import Argument, KerasClass
from surgery.model.checking import NOUNS

Schema = dict[str, Any]
Reference = Callable[[str], Schema]
"""The reference to the definition of a kind of object."""

CUSTOM = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*>[A-Za-z_]\w*$"

OF_THE_RECIPE: dict[str, Schema] = {
    "inputs": {
        "description": "Names of the layers that feed this one, where it is not simply the one before.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
    },
    "inherit": {
        "description": "Start from the config of the layer that this one replaces.",
        "type": "boolean",
        "default": False,
    },
    "call": {
        "description": "Arguments with which it is called beside its inputs: training: true. Null takes one away.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": ["boolean", "null", "number", "string"]},
    },
}
"""Keys of a layer that belong to the recipe."""


DEFINED = {"scalar_or_list": "NestedNumbers", "value": "PlainValue"}
"""Types of arguments with a definition of their own, which is long and would stand in the schema hundreds of times."""

SHARED = "argument of every layer: "
"""Before the name of an argument: the definition that all layers share."""


def definition_name(kind: str) -> str:
    """The name of a definition: `KerasLayer`, `KerasLearningRateSchedule`, `LayerArgumentName`."""
    if kind.startswith(SHARED):
        return "LayerArgument" + kind.removeprefix(SHARED).title().replace("_", "")
    if kind == "activations":
        return "KerasActivation"
    if kind in DEFINED:
        return DEFINED[kind]
    return f"Keras{NOUNS[kind].title().replace(' ', '')}"


def _shared(name: str, reference: Reference) -> Schema:
    if name in OF_THE_RECIPE:
        return OF_THE_RECIPE[name]
    base = catalogue.base_arguments("layers")[name]
    return argument_schema(base, reference)


def object_schema(kind: str, reference: Reference) -> Schema:
    """The definition of a kind: a map with one key, a class; or a bare name, where the kind has some."""
    if kind.startswith(SHARED):
        return _shared(kind.removeprefix(SHARED), reference)
    if kind in DEFINED:
        return TYPES[kind].schema(Argument("value"))
    if kind == "activations":
        return {"anyOf": [{"enum": sorted(catalogue.bare_names(kind))}, reference("layers")]}
    known = [catalogue.find(kind, name) for name in catalogue.names(kind)]
    one_key: Schema = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {cls.name: class_schema(cls, reference) for cls in known if cls is not None and not cls.unsafe},
        "patternProperties": {CUSTOM: {"type": ["object", "null"], "description": "A class of your own."}},
        "additionalProperties": False,
    }
    for alias in sorted(set(catalogue.words(kind)) - set(catalogue.names(kind))):
        own = catalogue.find(kind, alias)
        described = {"description": f"Another name of {own.name}."} if own else {}
        one_key["properties"][alias] = {"type": ["object", "null"]} | described
    names = sorted(catalogue.bare_names(kind))
    return {"anyOf": [one_key, {"enum": names}]} if names else one_key


def class_schema(known: KerasClass, reference: Reference) -> Schema:
    """The arguments of one class."""
    properties = {
        argument.name: reference(SHARED + argument.name) if argument.is_base else argument_schema(argument, reference)
        for argument in known.arguments.values()
    }
    schema: Schema = {"description": known.doc, "properties": properties, "additionalProperties": False}
    if known.kind == "layers":
        properties |= {name: reference(SHARED + name) for name in OF_THE_RECIPE}
    if known.required and known.kind != "layers":
        return {"type": "object", **schema, "required": list(known.required)}
    return {"type": ["object", "null"], **schema}


def argument_schema(argument: Argument, reference: Reference) -> Schema:
    """What one argument takes, with its default and what Keras' docstring says of it."""
    parts = _parts(argument, reference)
    if argument.is_nullable or argument.type == "activation":
        parts.append({"type": "null"})
    value = parts[0] if len(parts) == 1 else {"anyOf": parts}
    words = argument.doc or f"Takes {expected(argument)}."
    return {"description": words, **({} if argument.required else {"default": argument.default}), **value}


def _parts(argument: Argument, reference: Reference) -> list[Schema]:
    plain = plain_schema(argument)
    if argument.type in DEFINED:
        return [reference(argument.type)]
    if argument.type == "list":
        return [{"type": "array", "items": reference("value")}]
    if argument.type in NAMED:
        return [reference(NAMED[argument.type])]
    parts = [] if "not" in plain else list(plain.get("anyOf", [plain]))
    if argument.type in OBJECTS:
        parts.append(reference(OBJECTS[argument.type]))
    if argument.type == "layers":
        parts.append({"type": "array", "items": reference("layers")})
    return parts
