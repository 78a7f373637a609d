"""Starts the child, waits no longer than allowed, and believes nothing but a well-formed answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
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
        return "unknown", (_outcome("scan-timeout", f"the file was not read within {seconds:g} seconds"),)
    except BaseException:
        child.kill()
        child.communicate()
        raise
    return _understood(answer, child.returncode)


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
