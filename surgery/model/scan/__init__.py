"""Scans a model file before anything deserializes it: what in it could run code, read other files, or fill memory.

`scan(path)` answers with a `Verdict`. `checked(path)` is what commands use: it raises `ModelUnsafe` unless the file is accepted,
and once more when the file changed while it was in use.

Keras' own `safe_mode` is no boundary (functions that a config names are called during load, and denylists lose), and libhdf5
hangs or crashes on some files. So the rules know only what is allowed, and a child process with limits does the reading.
"""

from __future__ import annotations

from surgery.model.scan.classes import code_in
from surgery.model.scan.gate import catalogue, checked, require_safe, scan
from surgery.model.scan.verdict import Finding, Identity, Status, Verdict

__all__ = ["Finding", "Identity", "Status", "Verdict", "catalogue", "checked", "code_in", "require_safe", "scan"]
