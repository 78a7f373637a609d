"""The docstrings of a class' fields, read from its source when somebody asks for them.

Pydantic can do that when it builds a class, and it takes a third of the time of a short command; only the schema and the
documents need them.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from functools import cache
from textwrap import dedent


@cache
def field_docstrings(kind: type) -> Mapping[str, str]:
    """The text below each field, by the field's name, those of base classes included."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base is kind or (base.__module__.startswith("surgery.") and "__annotations__" in vars(base)):
            found |= _own(base)
    return found


def _own(kind: type) -> dict[str, str]:
    (definition,) = ast.parse(dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = inspect.cleandoc(words)
    return found
