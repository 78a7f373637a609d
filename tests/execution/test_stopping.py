"""A signal that comes where Python can raise nothing."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

LOST = """
import os, signal, time, weakref
from surgery.execution.stopping import Stopped, obey_signals

class Thing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

obey_signals()
try:
    Thing()
    print("lost", flush=True)
    time.sleep(60)
except Stopped as stop:
    print("stopped", stop.number)
"""

OTHER = """
from surgery.execution.stopping import obey_signals

class Thing:
    def __del__(self):
        raise ValueError("of its own")

obey_signals()
Thing()
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals are looked at elsewhere")
def test_a_signal_that_python_swallows_comes_again() -> None:
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == f"lost\nstopped {int(signal.SIGTERM)}\n"
    assert done.stderr == ""


def test_what_else_is_swallowed_is_said_as_ever() -> None:
    done = subprocess.run([sys.executable, "-c", OTHER], capture_output=True, text=True, timeout=50, check=True)
    assert "Exception ignored in" in done.stderr
    assert "of its own" in done.stderr
