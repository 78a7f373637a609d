"""Plain values as one line of YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def flow(value: Any) -> str:
    """A plain value as flow YAML, with quotes only where YAML needs them."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case str() if re.fullmatch(r"[A-Za-z_][\w./-]*", value) and value.lower() not in _NOT_A_STRING:
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


_NOT_A_STRING = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
