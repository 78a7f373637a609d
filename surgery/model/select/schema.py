"""The selector as a type of pydantic fields, with a JSON Schema from which an editor completes and explains."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from surgery.model.select.reading import read_selector
from surgery.model.select.syntax import Node, to_yaml

_REF = "Selector"


class SelectorSyntax:
    """Makes pydantic read, write and describe a field as a selector."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        serialization = core_schema.plain_serializer_function_ser_schema(to_yaml)
        return core_schema.no_info_plain_validator_function(
            read_selector,
            ref=_REF,
            serialization=serialization,
            metadata={"pydantic_js_functions": [_json_schema]},
        )


Selector = Annotated[Node, SelectorSyntax()]
"""A field of an operation that chooses layers. Holds one of the frozen classes of `surgery.model.select.syntax`."""


def _json_schema(_: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    again = handler(core_schema.definition_reference_schema(_REF))
    return {
        "title": "Selector",
        "description": "Which layers: by name, glob, index, range, class, regular expression, config or graph, or by "
        "set algebra over these. A selector that matches no layer is an error.",
        "anyOf": [*_plain_forms(again), *_mappings(again)],
    }


def _plain_forms(again: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            **_NAME,
            "description": "A layer's name, a path into a nested model (encoder/conv1), or a glob: * and ? stay inside "
            "one level, ** crosses /.",
            "examples": ["block5_conv1", "encoder/conv1", "block5_*", "**/conv*"],
        },
        {
            "type": "integer",
            "description": "The layer at this index of the list that surgery inspect prints; -1 is the last one.",
            "examples": [0, -1],
        },
        {
            "type": "array",
            "items": again,
            "minItems": 1,
            "description": "All layers that any of these selectors matches.",
        },
    ]


def _mappings(again: dict[str, Any]) -> list[dict[str, Any]]:
    members = {"type": "array", "items": again, "minItems": 1}
    return [
        _range(again),
        _counted("first", "The first layers of the model, or of what 'of' matches.", again),
        _counted("last", "The last layers of the model, or of what 'of' matches.", again),
        _mapping("class", "Layers of this class, or of one of these classes, at every level.", _CLASS),
        _mapping("regex", "Layers in whose whole path this regular expression is found, at every level.", _REGEX),
        _mapping("config", "Layers whose config has all these values, at every level.", _CONFIG),
        _mapping("upstream_of", "These layers and all that feeds them.", again),
        _mapping("downstream_of", "These layers and all that they feed.", again),
        _mapping(
            "between",
            "All that lies on a way from the first layer to the second, both included.",
            {"type": "array", "items": again, "minItems": 2, "maxItems": 2},
        ),
        _mapping("any", "The union: layers that at least one of these selectors matches.", members),
        _mapping("all", "The intersection: layers that each of these selectors matches.", members),
        _mapping("not", "All layers but these. Inside 'all' it takes layers away.", again),
    ]


def _mapping(key: str, description: str, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "title": key,
        "description": description,
        "properties": {key: _described(value, description)},
        "required": [key],
        "additionalProperties": False,
    }


def _described(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """The schema with words of its own: 2020-12 allows them beside a reference, too."""
    return {**schema, "description": description}


def _counted(key: str, description: str, again: dict[str, Any]) -> dict[str, Any]:
    mapping = _mapping(key, description, {"type": "integer", "minimum": 1})
    mapping["properties"]["of"] = _described(again, "Count among what this selector matches. Default: the whole model.")
    return mapping


def _range(again: dict[str, Any]) -> dict[str, Any]:
    end = {"anyOf": [_NAME, {"type": "integer"}]}
    return {
        "type": "object",
        "title": "from, to",
        "description": "The layers from one to another in the order of the model, both included; either may be left "
        "out. Both lie in the same nested model.",
        "properties": {
            "from": {"description": "The first layer of the range: a name, a path or an index.", **end},
            "to": {"description": "The last layer of the range: a name, a path or an index.", **end},
            "of": _described(again, "Take the range among what this selector matches. Default: the whole model."),
        },
        "anyOf": [{"required": ["from"]}, {"required": ["to"]}],
        "additionalProperties": False,
    }


_NAME = {"type": "string", "pattern": r"\S"}
_CLASS = {
    "anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1}],
    "examples": ["Conv2D", ["Dense", "Conv2D"]],
}
_REGEX = {"type": "string", "format": "regex", "examples": ["^block[45]_"]}
_CONFIG = {"type": "object", "minProperties": 1, "examples": [{"activation": "relu"}, {"kernel_size": 3}]}
