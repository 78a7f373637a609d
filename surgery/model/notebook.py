"""How values show themselves in a notebook. They only say that they do; a higher room says how, when it is asked first."""

from __future__ import annotations

from functools import singledispatch
from importlib import import_module
from typing import Any

_waiting: set[str] = set()


def shown_by(module: str) -> None:
    """Names a module that registers with `notebook_html`. It is imported when a notebook first shows a value."""
    _waiting.add(module)


@singledispatch
def notebook_html(value: Any) -> str | None:
    """A value as a piece of HTML; None where nobody knows how, and the notebook then prints its `repr`."""
    if not _waiting:
        return None
    while _waiting:
        import_module(_waiting.pop())
    return notebook_html(value)


class InNotebook:
    """A value that a notebook shows as more than its `repr`."""

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        return notebook_html(self)
