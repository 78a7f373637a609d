"""Text of a certain form: names, modules, digests, what keras.applications has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from surgery.model.arguments import TYPES, VALUE, fits
from surgery.model.catalogue import Argument, applications
from surgery.model.nearest import did_you_mean


@dataclass(frozen=True)
class Written:
    """Text of a certain form, with the form in words for whoever gets it wrong."""

    pattern: str
    expected: str

    def check(self, value: str) -> str:
        if re.fullmatch(self.pattern, value):
            return value
        raise PydanticCustomError(
            "invalid-value", "'{value}' is not possible here", {"value": value, "expected": self.expected}
        )

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"pattern": f"^(?:{self.pattern})$"}


class _Application:
    """A name in keras.applications."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_known_application, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"enum": sorted(applications())}


class _Plain:
    """A value that holds no map: Keras would make an object of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_plain, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return dict(VALUE)


def _plain(value: Any) -> Any:
    if fits(value, VALUE):
        return value
    words = TYPES["value"].words(Argument("value"))
    raise PydanticCustomError("wrong-type", "an argument is a plain value here", {"expected": words})


def _known_application(name: str) -> str:
    if name in applications():
        return name
    raise PydanticCustomError(
        "invalid-value",
        "keras.applications has no '{name}'",
        {
            "name": name,
            "expected": f"one of the {len(applications())} models of keras.applications",
            "fix": did_you_mean(name, applications()) or "see https://keras.io/api/applications",
        },
    )


_MODULE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"

FileName = Annotated[
    str, Written(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "up to 100 letters, digits, '.', '_' and '-', as in a file name")
]
ParameterName = Annotated[str, Written(r"[A-Za-z_]\w*", "letters, digits and '_', not beginning with a digit")]
Module = Annotated[str, Written(_MODULE, "a module as package.module")]
KerasFile = Annotated[
    str, Written(r"[^\x00-\x1f]*[^/\x00-\x1f]\.keras", "a file name that ends in .keras, in one line")
]
Factory = Annotated[str, Written(rf"{_MODULE}:[A-Za-z_]\w*", "a function as package.module:function")]
Sha256 = Annotated[str, Written("[0-9a-f]{64}", "64 hexadecimal digits, as sha256sum prints them")]
Application = Annotated[str, _Application()]
PlainValue = Annotated[Any, _Plain()]
