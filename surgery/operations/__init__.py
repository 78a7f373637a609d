"""What a user may ask for, one operation per file. The folder is the registry: a new file is a new operation."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from surgery.operations.operation import Operation, Phase

__all__ = ["Operation", "Phase", "registry"]


@cache
def registry() -> Mapping[str, type[Operation]]:
    """Every operation by its name, in alphabetical order. A file that does not import breaks loudly."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found = {operation.name(): operation for operation in Operation.__subclasses__()}
    return MappingProxyType(dict(sorted(found.items())))
