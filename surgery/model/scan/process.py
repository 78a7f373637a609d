"""Starts the child, waits no longer than allowed, and believes nothing but a well-formed answer."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from surgery.model.scan import limits
from surgery.model.scan.rule import shown
from surgery.model.scan.verdict import Finding, Status

OUTCOMES = {
    "scan-timeout": "Reading the file took longer than 15 seconds. HDF5 files can be made so that reading them never ends.",
    "scan-memory": "Reading the file took more memory than any genuine model needs.",
    "scan-crashed": "The process that read the file died, as libhdf5 does on some damaged files.",
    "scan-failed": "The scan itself failed on this file. It counts as a refusal; please report it with the file.",
}
"""How a scan can end without a verdict, for the error catalogue. Each is `could not check`."""

_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from surgery.model.scan.child import main; main()"
_THREADED = {"tensorflow", "jax", "torch"}
_QUIET = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",
    "HDF5_USE_FILE_LOCKING": "FALSE",
}


def ask(
    descriptor: int, trust: tuple[str, ...], seconds: float = limits.WALL_SECONDS
) -> tuple[str, tuple[Finding, ...]]:
    """The kind of an open file and what the rules have against it."""
    asked = _forked if _can_fork() else _spawned
    answer, status = asked(descriptor, trust, seconds)
    if answer is None:
        return "unknown", (_outcome("scan-timeout", f"the file was not read within {seconds:g} seconds"),)
    return _understood(answer, status)


def _can_fork() -> bool:
    """Whether a copy of this process will do: it has loaded already what the child needs, which saves a fifth of a second.

    A process with threads or with a backend in it may hold locks that its copy would wait for without end.
    """
    is_alone = threading.active_count() == 1 and threading.current_thread() is threading.main_thread()
    return sys.platform == "linux" and is_alone and not _THREADED & sys.modules.keys()


def _forked(descriptor: int, trust: tuple[str, ...], seconds: float) -> tuple[bytes | None, int]:
    """The answer of a copy of this process, or None when it took too long; and its status."""
    import h5py  # noqa: F401  loaded once here, not again in each copy

    from surgery.model.scan import child

    source, sink = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 counts NumPy's idle threads and warns; the copy never computes with NumPy.
        warnings.simplefilter("ignore", DeprecationWarning)
        copy = os.fork()
    if not copy:
        child.serve(descriptor, sink, trust, seconds)
    os.close(sink)
    try:
        answer = _read(source, time.monotonic() + seconds)
    except BaseException:
        _end(copy)
        raise
    finally:
        os.close(source)
    return answer, _end(copy) if answer is None else _wait(copy)


def _read(source: int, deadline: float) -> bytes | None:
    """All that comes through a pipe, up to a little more than an answer may have; None when the time is over."""
    parts: list[bytes] = []
    while sum(map(len, parts)) <= limits.ANSWER_BYTES:
        if not select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        parts.append(os.read(source, 1 << 16))
        if not parts[-1]:
            break
    return b"".join(parts)


def _end(copy: int) -> int:
    os.kill(copy, signal.SIGKILL)
    return _wait(copy)


def _wait(copy: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
    except ChildProcessError:  # where SIGCHLD is ignored, the kernel does not keep the status
        return 0


def _spawned(descriptor: int, trust: tuple[str, ...], seconds: float) -> tuple[bytes | None, int]:
    """The same of a fresh process."""
    root = str(Path(__file__).parents[3])
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", _START, root, str(descriptor), str(seconds), *trust],
        pass_fds=(descriptor,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **_QUIET},
        start_new_session=True,
    )
    try:
        answer, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return None, child.returncode
    except BaseException:
        child.kill()
        child.communicate()
        raise
    return answer, child.returncode


def _understood(answer: bytes, status: int) -> tuple[str, tuple[Finding, ...]]:
    if status:
        return "unknown", (_outcome(*_death(status)),)
    try:
        data: Any = json.loads(answer) if len(answer) <= limits.ANSWER_BYTES else None
        return shown(data["kind"]), tuple(Finding.from_json(entry) for entry in data["findings"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "unknown", (_outcome("scan-failed", "the reading process gave no answer"),)


def _death(status: int) -> tuple[str, str]:
    if status == -signal.SIGXCPU:
        return "scan-timeout", "reading the file took too much computing"
    if status < 0:
        return "scan-crashed", f"the reading process was ended by signal {-status}"
    return "scan-failed", f"the reading process ended with status {status}"


def _outcome(code: str, message: str) -> Finding:
    return Finding(code, Status.UNCHECKED, message)
