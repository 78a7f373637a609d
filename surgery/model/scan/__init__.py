"""Scans a model file before anything deserializes it: what in it could run code, read other files, or fill memory.

`scan(path)` answers with a `Verdict`. `checked(path)` is what commands use: it raises `ModelUnsafe` unless the file is accepted,
and once more when the file changed while it was in use.

Keras' own `safe_mode` is no boundary (functions that a config names are called during load, and denylists lose), and libhdf5
hangs or crashes on some files. So the rules know only what is allowed, and a child process with limits does the reading.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surgery.model.scan.classes import code_in
    from surgery.model.scan.gate import ahead, catalogue, checked, require_safe, scan
    from surgery.model.scan.verdict import Finding, Identity, Status, Verdict

# The child process loads the rules alone, without the way to them.
_HOMES = {
    "code_in": "surgery.model.scan.classes",
    **dict.fromkeys(("ahead", "catalogue", "checked", "require_safe", "scan"), "surgery.model.scan.gate"),
    **dict.fromkeys(("Finding", "Identity", "Status", "Verdict"), "surgery.model.scan.verdict"),
}

__all__ = [
    "Finding",
    "Identity",
    "Status",
    "Verdict",
    "ahead",
    "catalogue",
    "checked",
    "code_in",
    "require_safe",
    "scan",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'surgery.model.scan' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
