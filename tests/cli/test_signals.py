"""Ctrl-C and SIGTERM at any moment, from the first line of surgery on: the status of the signal, and never a traceback."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.recipes_text import write_recipe

SIGNALS = ((signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"))


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "surgery", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not catches(process.pid, signal.SIGTERM):
        time.sleep(0.001)
    return process


def catches(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal. Python has none for SIGTERM, so that one is ours."""
    (mask,) = re.findall(r"SigCgt:\s*(\w+)", Path(f"/proc/{process}/status").read_text())
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at a process through /proc")
@pytest.mark.parametrize("signals", [8, pytest.param(100, marks=[pytest.mark.crash, pytest.mark.timeout(1800)])])
def test_a_signal_at_any_moment(tmp_path: Path, signals: int) -> None:
    write_recipe(tmp_path, "operations:\n  - {op: freeze, layers: conv1}\n")
    began = time.monotonic()
    started(tmp_path, "plan", "recipe.yaml").communicate()
    whole = time.monotonic() - began
    chance = random.Random(signals)
    ended = {"stopped": 0, "done": 0}
    for number in range(signals):
        code, status, word = SIGNALS[number % 2]
        process = started(tmp_path, "plan", "recipe.yaml")
        # The first tenth of a second as often as all the rest.
        time.sleep(chance.uniform(0, 0.1 if number % 4 < 2 else whole))
        process.send_signal(code)
        _, said = process.communicate(timeout=60)
        assert "Traceback" not in said
        assert "Exception ignored" not in said
        assert (process.returncode, said) in ((status, f"{word}\n"), (0, ""), (-code, ""))
        ended["done" if process.returncode in (0, -code) else "stopped"] += 1
    assert ended["stopped"] >= signals // 2
    print(ended)
