"""The process that reads the file: a stranger's bytes, libhdf5, and limits that the kernel keeps.

It is started with the descriptor of the open file, lowers its own limits for good, and answers with JSON on its standard
output. Afterwards it can open no file, no socket and no process, write nothing, and use little memory and time.
"""

from __future__ import annotations

import codecs
import json
import os
import resource
import sys

from surgery.model.scan import limits
from surgery.model.scan.classes import allowlist
from surgery.model.scan.examine import examine, opened
from surgery.model.scan.verdict import Finding, Status


def main() -> None:
    descriptor, seconds, *trust = sys.argv[1:]
    _load_everything()
    try:
        _bound_memory_and_time(int(float(seconds)) + 1)
        parts = opened(int(descriptor))
        _close_the_doors()
        findings, kind = examine(parts, tuple(trust)), parts.kind
    except MemoryError:
        findings, kind = [Finding("scan-memory", Status.UNCHECKED, "reading the file takes too much memory")], "unknown"
    except Exception as error:  # noqa: BLE001  whatever a hostile file provokes is a refusal, never a traceback
        findings, kind = [Finding("scan-failed", Status.UNCHECKED, f"the scan failed: {error!r:.300}")], "unknown"
    answer = json.dumps({"kind": kind, "findings": [finding.as_json() for finding in findings]})
    sys.stdout.write(answer)
    sys.stdout.flush()
    os._exit(0)


def _load_everything() -> None:
    """Modules, codecs and data that the scan needs, while files can still be opened."""
    import h5py  # noqa: F401
    from h5py import h5a, h5d, h5g, h5l, h5o, h5t  # noqa: F401

    from surgery.model import config, prove  # noqa: F401

    for codec in ("ascii", "cp437", "latin-1", "unicode_escape", "utf-8"):
        codecs.lookup(codec)
    allowlist()


def _bound_memory_and_time(seconds: int) -> None:
    for kind, amount in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_DATA, limits.DATA_BYTES),
    ):
        resource.setrlimit(kind, (amount, amount))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _close_the_doors() -> None:
    """No further descriptor: nothing can be opened, whatever libhdf5 would like to follow."""
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))
