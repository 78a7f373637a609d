"""The recipe format as a JSON Schema, for editors: completion, hover text, and a red line under a typo."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from surgery.model.docstrings import field_docstrings
from surgery.operations import Operation
from surgery.recipe.part import Part
from surgery.recipe.recipe import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SCALARS = {"integer", "number", "boolean", "null"}
_ANNOTATIONS = ("title", "description", "default", "examples", "deprecated")
_USE = {"$ref": "#/$defs/ParameterUse"}
_PARAMETER_USE = {
    "type": "string",
    "pattern": r"\$\{[A-Za-z_]\w*\}",
    "description": "The value of a parameter of this recipe.",
}
_ONE, _LIST, _MAP = (
    {"additionalProperties", "items", "not", "contains", "propertyNames", "if", "then", "else"},
    {"anyOf", "oneOf", "allOf", "prefixItems"},
    {"properties", "$defs", "patternProperties", "dependentSchemas"},
)
"""Under which keywords of JSON Schema there are schemas: one, a list of them, a map of them."""


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, of the 2020-12 dialect."""
    schema = Recipe.model_json_schema(by_alias=True, schema_generator=_Untitled)
    _describe_fields(schema)
    schema["properties"]["parameters"]["additionalProperties"] = False
    schema["$defs"] = dict(sorted((schema.get("$defs", {}) | {"ParameterUse": _PARAMETER_USE}).items()))
    for definition in schema["$defs"].values():
        _describe_operation(definition)
        if "properties" in definition:
            definition.pop("title", None)
    document: dict[str, Any] = {"$schema": DIALECT} | with_parameters(schema) | {"title": "A recipe of surgery"}
    document["$defs"]["ParameterUse"] = _PARAMETER_USE
    return document


def schema_text() -> str:
    """The schema as it is written into `schemas/` and printed by `surgery schema`."""
    return json.dumps(recipe_schema(), indent=1) + "\n"


def _describe_fields(schema: dict[str, Any]) -> None:
    """Gives every key of a map the docstring of its field."""
    for kind in _maps(Part, Operation):
        definition = schema if kind is Recipe else schema["$defs"].get(kind.__name__, {})
        for name, text in field_docstrings(kind).items():
            key = kind.model_fields[name].alias or name if name in kind.model_fields else name
            if key in definition.get("properties", {}):
                definition["properties"][key]["description"] = text


def _maps(*roots: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for root in roots:
        for kind in root.__subclasses__():
            yield kind
            yield from _maps(kind)


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of names: an editor would show them before the description."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _describe_operation(definition: dict[str, Any]) -> None:
    """Gives `op: freeze` the hover text of the operation."""
    op = definition.get("properties", {}).get("op")
    if op and "const" in op:
        op["description"] = definition.get("description", "").split("\n\nExample:")[0]


def with_parameters(schema: Any) -> Any:
    """The same schema with `${name}` allowed wherever a scalar that is not free text stands."""
    if not isinstance(schema, Mapping):
        return schema
    inside = {key: _inside(key, value) for key, value in schema.items()}
    choices = next((key for key in ("anyOf", "oneOf") if key in inside), None)
    if choices and any(_is_narrow(choice) for choice in schema[choices]):
        return _beside(inside, choices, [with_inner_parameters(choice) for choice in schema[choices]])
    if _is_narrow(schema):
        notes = {key: value for key, value in inside.items() if key in _ANNOTATIONS}
        return notes | {"anyOf": [{key: value for key, value in inside.items() if key not in notes}, _USE]}
    return inside


def with_inner_parameters(schema: Any) -> Any:
    """As `with_parameters`, but for what is inside the schema only."""
    return {key: _inside(key, value) for key, value in schema.items()} if isinstance(schema, Mapping) else schema


def _inside(key: str, value: Any) -> Any:
    if key in _ONE:
        return with_parameters(value)
    if key in _LIST:
        return [with_parameters(item) for item in value]
    if key in _MAP:
        return {name: with_parameters(item) for name, item in value.items()}
    return value


def _beside(schema: dict[str, Any], choices: str, alternatives: list[Any]) -> dict[str, Any]:
    """One more alternative; a `oneOf` becomes an `anyOf`, because `${name}` may be text as well."""
    rest = {key: value for key, value in schema.items() if key != choices}
    return rest | {"anyOf": [*alternatives, _USE]}


def _is_narrow(schema: Any) -> bool:
    """True for a scalar that `${name}` would not be: a number, a choice, text of a certain form."""
    if not isinstance(schema, Mapping) or "const" in schema:
        return False
    kind = schema.get("type")
    if kind == "string":
        return bool({"enum", "pattern", "format", "maxLength"} & set(schema))
    kinds = set(kind) if isinstance(kind, list) else {kind}
    return "enum" in schema or bool(kinds & (_SCALARS - {"null"}))
