"""Makes the k-th operation on files fail, or end the process, as a full disk, a broken one or a power cut would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

OPERATIONS = ("open", "pwrite", "ftruncate", "fsync", "replace", "unlink", "mkdir", "close")
"""Functions of `os` through which everything that is written goes."""
CRASHED = 77


class Faults:
    """Counts the operations, and lets the one of a number fail.

    Args:
        at: The number of the operation that fails, from 1; 0 for none.
        error: The errno that it fails with; None to end the process there.
        before: Whether a process ends before the operation rather than after it.
    """

    def __init__(self, at: int = 0, error: int | None = None, *, before: bool = True) -> None:
        self.at, self.error, self.before = at, error, before
        self.names: list[str] = []

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **keywords: Any) -> Any:
            self.names.append(name)
            is_it = len(self.names) == self.at
            if is_it and self.error is None and self.before:
                os._exit(CRASHED)
            if is_it and self.error is not None and name != "close":
                raise OSError(self.error, os.strerror(self.error), *arguments[:1])
            try:
                return real(*arguments, **keywords)
            finally:
                if is_it and self.error is None:
                    os._exit(CRASHED)

        return operation


@contextmanager
def injected(faults: Faults) -> Iterator[Faults]:
    """The functions of `os` with faults, for everybody in this process."""
    real = {name: getattr(os, name) for name in OPERATIONS}
    try:
        for name, function in real.items():
            setattr(os, name, faults.wrap(name, function))
        yield faults
    finally:
        for name, function in real.items():
            setattr(os, name, function)


def in_a_copy(act: Callable[[], object]) -> int:
    """Runs something in a copy of this process, and says how that ended: 0, or `CRASHED`."""
    copy = os.fork()
    if not copy:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
