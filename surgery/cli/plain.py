"""Text, paths and flags of a command line, taken as they are.

typer has pydantic convert every value, and importing pydantic takes a third of what comparing two models takes. Whatever is out of
the ordinary is left to typer; so is everything, should it keep its converters in another place one day.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer.core

_KINDS: dict[Any, Callable[[Any], Any]] = {bool: bool, str: str, Path: Path, list[str]: str, list[Path]: Path}
_of_typer: Callable[..., Any] | None = getattr(typer.core, "build_runtime_param", None)


class Plain:
    """Converts the values of one parameter, in place of typer's own converter."""

    def __init__(self, descriptor: Any) -> None:
        self._descriptor, self._kind = descriptor, _KINDS[descriptor.annotation]
        self._is_several = descriptor.annotation in (list[str], list[Path])

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if self._is_several else None
        values = value if self._is_several else [value]
        if not all(isinstance(one, bool) or str(one).isprintable() for one in values):
            assert _of_typer
            return _of_typer(self._descriptor).coerce(value, param=param, ctx=ctx)
        return [self._kind(one) for one in values] if self._is_several else self._kind(value)


def take_plainly() -> None:
    """Has commands take their plain values so."""
    if _of_typer is not None:
        vars(typer.core)["build_runtime_param"] = _converter


def _converter(descriptor: Any) -> Any:
    assert _of_typer
    return Plain(descriptor) if descriptor.annotation in _KINDS else _of_typer(descriptor)
