"""Shapes of examples against those that a model takes."""

from __future__ import annotations

import math


def takes(wanted: tuple[int | None, ...], given: tuple[int, ...]) -> bool:
    """As Keras does: a last axis of 1 may be left out, or be there where the model has none."""
    if len(given) == len(wanted) - 1 and wanted[-1] == 1:
        given = (*given, 1)
    if len(given) == len(wanted) + 1 and given[-1] == 1:
        given = given[:-1]
    return len(given) == len(wanted) and all(w in (None, g) for w, g in zip(wanted, given, strict=True))


def reshaping(wanted: tuple[int | None, ...], given: tuple[int, ...]) -> str | None:
    if math.prod(n or 0 for n in wanted) != math.prod(given):
        return None
    return f"save it with another shape: array.reshape({', '.join(map(str, (-1, *wanted)))})"
