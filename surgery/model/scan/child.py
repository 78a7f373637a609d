"""The process that reads files: a stranger's bytes, libhdf5, and limits that the kernel keeps.

It has nothing of the process that asks. Each file is read by a copy of it, which keeps the descriptor of the open file and no
other, lowers its own limits for good, and answers with JSON through a pipe. From then on the copy can open no file, no socket
and no process, write nothing, and use little memory and time.
"""

from __future__ import annotations

import codecs
import fcntl
import gc
import json
import os
import resource
import socket
from pathlib import Path
from typing import NoReturn

from surgery.model.reader import STATUS_BYTES
from surgery.model.scan import limits
from surgery.model.scan.classes import allowlist
from surgery.model.scan.examine import examine, opened
from surgery.model.scan.places import index
from surgery.model.scan.verdict import Finding, Status, Verdict


def main() -> None:
    """Reads every file that comes through standard input, a socket, each in a copy of this process; until it is closed."""
    _load_everything()
    # What lives now lives to the end, and a copy is gone before garbage matters.
    gc.disable()
    with socket.socket(fileno=0) as requests:
        while request := _received(requests):
            line, (descriptor, sink) = request
            asked = json.loads(line)
            if not os.fork():
                _watch(descriptor, sink, tuple(asked["trust"]), asked["seconds"])
            os.close(descriptor)
            os.close(sink)
            while _ended(os.WNOHANG):
                pass
    while _ended(0):
        pass
    os._exit(0)


def _received(requests: socket.socket) -> tuple[bytes, list[int]] | None:
    line, descriptors, _, _ = socket.recv_fds(requests, 1 << 16, 2)
    while line and not line.endswith(b"\n"):
        line += requests.recv(1 << 16)
    return (line, descriptors) if line else None


def _ended(options: int) -> bool:
    """Whether another of the processes below has ended and is forgotten now."""
    try:
        return os.waitpid(-1, options)[0] != 0
    except ChildProcessError:
        return False


def _watch(descriptor: int, sink: int, trust: tuple[str, ...], seconds: float) -> NoReturn:
    """Has a copy read a file, and says when that began and how it ended."""
    try:
        os.write(sink, b".")
        copy = os.fork()
        if not copy:
            serve(descriptor, sink, trust, seconds)
        status = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
        os.write(sink, status.to_bytes(STATUS_BYTES, "little", signed=True))
    finally:
        os._exit(0)


def serve(descriptor: int, sink: int, trust: tuple[str, ...], seconds: float) -> NoReturn:
    """A copy of a process: keeps of it only the two descriptors, and never returns to what it was doing."""
    try:
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
    try:
        _bound_memory_and_time(min(limits.COMPUTING_SECONDS, int(seconds) + 1))
        answer = _examined(descriptor, trust)
    except MemoryError:
        answer = _failed("scan-memory", "reading the file takes too much memory")
    except Exception as error:  # noqa: BLE001  whatever a hostile file provokes is a refusal, never a traceback
        answer = _failed("scan-failed", f"the scan failed: {error!r:.300}")
    rest = memoryview(answer.encode())
    while rest:
        rest = rest[os.write(1, rest) :]
    os._exit(0)


def _examined(descriptor: int, trust: tuple[str, ...]) -> str:
    parts = opened(descriptor)
    _close_the_doors()
    _grant_more(parts.config_bytes)
    findings = examine(parts, trust)
    usable = Verdict("", parts.kind, tuple(findings)).is_usable
    if not usable or parts.described is None or parts.weights is None or parts.kind == "hdf5":
        return _json(parts.kind, findings)
    return _json(parts.kind, findings, index(parts.described))


def _failed(code: str, message: str) -> str:
    return _json("unknown", [Finding(code, Status.UNCHECKED, message)])


def _json(kind: str, findings: list[Finding], index: str = "null") -> str:
    said = json.dumps([finding.as_json() for finding in findings])
    return f'{{"kind": {json.dumps(kind)}, "findings": {said}, "index": {index}}}'


def _load_everything() -> None:
    """Modules, codecs and data that the scan needs, while files can still be opened."""
    import h5py  # noqa: F401
    from h5py import h5a, h5d, h5g, h5l, h5o, h5t  # noqa: F401

    from surgery.model import config, prove  # noqa: F401

    for codec in ("ascii", "cp437", "latin-1", "unicode_escape", "utf-8"):
        codecs.lookup(codec)
    allowlist()


def _bound_memory_and_time(seconds: int) -> None:
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(kind, (0, 0))
    loaded = max(0, _data_in_use() - limits.LOADED_BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (limits.DATA_BYTES + loaded, limits.MOST_DATA_BYTES + loaded))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + limits.MORE_SECONDS + 1))


def _grant_more(config_bytes: int) -> None:
    """What a large model takes beyond that. Whoever waits is told of the seconds, as one byte."""
    seconds = limits.more_seconds(config_bytes)
    for kind, amount in ((resource.RLIMIT_DATA, limits.more_data(config_bytes)), (resource.RLIMIT_CPU, seconds)):
        bound, most = resource.getrlimit(kind)
        resource.setrlimit(kind, (min(bound + amount, most), most))
    os.write(1, bytes([limits.WALL_FACTOR * seconds]))


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
