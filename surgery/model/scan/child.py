"""The process that reads the file: a stranger's bytes, libhdf5, and limits that the kernel keeps.

It is a fresh process, or a copy of the one that asks. It gets the descriptor of the open file, lowers its own limits for
good, and answers with JSON on its standard output. Afterwards it can open no file, no socket and no process, write nothing,
and use little memory and time.
"""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import NoReturn

from surgery.model.scan import limits
from surgery.model.scan.classes import allowlist
from surgery.model.scan.examine import examine, opened
from surgery.model.scan.verdict import Finding, Status


def main() -> None:
    """A fresh process: descriptor, seconds and trusted modules are its arguments."""
    descriptor, seconds, *trust = sys.argv[1:]
    _answer(int(descriptor), float(seconds), tuple(trust))


def serve(descriptor: int, sink: int, trust: tuple[str, ...], seconds: float) -> NoReturn:
    """A copy of a process: keeps of it only the two descriptors, and never returns to what it was doing."""
    try:
        os.setsid()
        for handled in (signal.SIGINT, signal.SIGTERM):
            signal.signal(handled, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        # Out of the way first, for any of them may be one of the numbers that they shall get.
        kept = [fcntl.fcntl(number, fcntl.F_DUPFD, 10) for number in (nothing, sink, nothing, descriptor)]
        for place, number in enumerate(kept):
            os.dup2(number, place)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        _answer(3, seconds, trust)
    finally:
        os._exit(1)


def _answer(descriptor: int, seconds: float, trust: tuple[str, ...]) -> None:
    _load_everything()
    try:
        _bound_memory_and_time(int(seconds) + 1)
        parts = opened(descriptor)
        _close_the_doors()
        findings, kind = examine(parts, trust), parts.kind
    except MemoryError:
        findings, kind = [Finding("scan-memory", Status.UNCHECKED, "reading the file takes too much memory")], "unknown"
    except Exception as error:  # noqa: BLE001  whatever a hostile file provokes is a refusal, never a traceback
        findings, kind = [Finding("scan-failed", Status.UNCHECKED, f"the scan failed: {error!r:.300}")], "unknown"
    answer = memoryview(json.dumps({"kind": kind, "findings": [finding.as_json() for finding in findings]}).encode())
    while answer:
        # Not through `sys.stdout`, in which a copy may have lines of the process that it was.
        answer = answer[os.write(1, answer) :]
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
        (resource.RLIMIT_DATA, max(limits.DATA_BYTES, _data_in_use() + limits.DATA_BYTES - limits.LOADED_BYTES)),
    ):
        resource.setrlimit(kind, (amount, amount))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _data_in_use() -> int:
    """Private memory of this process as the kernel counts it, of which a copy has what its original had."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def _close_the_doors() -> None:
    """No further descriptor: nothing can be opened, whatever libhdf5 would like to follow."""
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))
