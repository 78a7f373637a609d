"""A path of a recipe that Keras formats later, `{epoch:02d}-{val_loss:.2f}.keras`, judged by all that it can become."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath

_FIELD = re.compile(r"\{[A-Za-z_]\w*(:(0?[1-9]\d?)?(\.\d{1,2})?[deEfFgG]?)?\}", re.ASCII)
"""A name, and how to write a number. Attributes, items and conversions would make other texts of it, and `..` of them."""


def path_problem(text: str) -> str | None:
    """Why a path cannot be one inside the folder of the run; None where it is."""
    rest = _FIELD.sub("0", text)
    if "{" in rest or "}" in rest:
        return f"{text!r} has a field that is no plain name with a number format"
    if not rest.isprintable():
        return f"{text!r} has characters that are not printable"
    path = PurePosixPath(rest)
    if path.is_absolute() or PureWindowsPath(rest).drive or "\\" in rest or rest.startswith("~") or "://" in rest:
        return f"{text!r} is not relative to the folder of the run"
    if ".." in path.parts or not path.parts:
        return f"{text!r} lies outside the folder of the run"
    return None
