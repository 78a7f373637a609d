"""A selector as a person types it on a command line: a name, a glob, an index, or YAML in flow style."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import PydanticCustomError

from surgery.errors import InvalidValue, SurgeryError, raise_all
from surgery.model.select import Node, read_selector
from surgery.recipe.reader import read_yaml

_INDEX = re.compile(r"-?\d{1,9}")


def parse_selector(text: str) -> Node:
    """The selector that a text stands for.

    Raises:
        SurgeryError: when it is none.
    """
    try:
        return read_selector(_value(text))
    except PydanticCustomError as error:
        context = error.context or {}
        raise InvalidValue(error.message(), expected=context.get("expected"), fix=context.get("fix")) from None


def _value(text: str) -> Any:
    if _INDEX.fullmatch(text):
        return int(text)
    if not text.startswith(("{", "[", '"', "'")):
        return text
    try:
        document, problems = read_yaml("SELECTOR", text.encode())
        raise_all(problems)
    except SurgeryError as error:
        raise error.prefixed("the selector") from None
    return document.root.plain()
