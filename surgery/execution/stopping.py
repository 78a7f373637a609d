"""How a command ends that is told to end, or whose machine gives out: in order, with one message and its exit status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from surgery.errors import RunFailed, of_the_disk

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_MEMORY = {"ResourceExhaustedError", "OutOfMemoryError"}
"""What backends call it; they are looked at by name, for they may not be installed."""


class Stopped(BaseException):
    """A signal asks the command to end. Nothing that handles errors may handle this.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status that shells know: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.number


class _Asked:
    """Which signal came, and whether somebody looks for it at a better moment."""

    number: int | None = None
    is_deferred = False


def obey_signals() -> None:
    """From now on the first SIGINT or SIGTERM raises `Stopped`, or waits for `raise_if_asked`; the second ends the process."""
    for number in SIGNALS:
        signal.signal(number, _asked)
    if hasattr(signal, "setitimer"):  # Windows has none
        signal.signal(signal.SIGALRM, _again)
        sys.unraisablehook = _unraisable


def default_signals() -> None:
    """The command has ended and said so: from now on a signal ends the process, without a word."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)


def _asked(number: int, _frame: FrameType | None) -> None:
    if _Asked.number is not None:
        os._exit(128 + number)
    _Asked.number = number
    if not _Asked.is_deferred:
        raise Stopped(number)


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Python has swallowed an exception, for it came where nothing can be raised: while a weak reference dies, for one.

    Importing does that all the time, so `Stopped` may be what is lost. It comes again in a moment.
    """
    if isinstance(lost.exc_value, Stopped):
        signal.setitimer(signal.ITIMER_REAL, 0.001)
    else:
        sys.__unraisablehook__(lost)


def _again(_number: int, _frame: FrameType | None) -> None:
    if not _Asked.is_deferred:
        raise_if_asked()


@contextmanager
def deferred() -> Iterator[None]:
    """Meanwhile a signal does not break in; whoever works here calls `raise_if_asked` where ending does no harm."""
    outer = _Asked.is_deferred
    _Asked.is_deferred = True
    try:
        yield
    finally:
        _Asked.is_deferred = outer
    raise_if_asked()


def is_asked() -> bool:
    """Whether a signal came."""
    return _Asked.number is not None


def asked() -> Stopped | None:
    """What a signal asks for, whatever became of it since."""
    return None if _Asked.number is None else Stopped(_Asked.number)


def raise_if_asked() -> None:
    """Raises what a signal asked for meanwhile.

    Raises:
        Stopped: a signal came.
    """
    if (stop := asked()) is not None:
        raise stop


def of_the_machine(error: Exception) -> RunFailed | None:
    """What to say when memory or disk gave out; None where an error is something else."""
    if isinstance(error, MemoryError) or type(error).__name__ in _MEMORY:
        return RunFailed(
            "memory ran out",
            expected="the model, its new weights and a batch of data in memory",
            fix="a smaller batch_size, or a machine with more memory",
        )
    return of_the_disk(error) if isinstance(error, OSError) else None
