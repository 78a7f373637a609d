from __future__ import annotations

import io

import pytest

from surgery.training.history import EpochRecord
from surgery.training.progress import Bar, Lines, Quiet, metrics_text, progress_for

pytestmark = pytest.mark.keras


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_elsewhere_and_a_bar_on_a_terminal() -> None:
    assert isinstance(progress_for(io.StringIO()), Lines)
    assert isinstance(progress_for(Terminal()), Bar)
    assert isinstance(progress_for(io.StringIO(), quiet=True), Quiet)


def test_one_plain_line_for_each_epoch() -> None:
    stream = io.StringIO()
    with Lines(stream) as progress:
        progress.stage("he\x1bad", 2, 10)
        progress.step(1, 5, {"loss": 1.0})
        progress.epoch(EpochRecord(1, {"loss": 0.5, "val_loss": 1e-7}, 1.26))
    assert stream.getvalue() == "he\\x1bad: epoch 1/2  1.3 s  loss 0.5000  val_loss 1.000e-07\n"


def test_a_bar_keeps_the_lines_of_epochs() -> None:
    stream = Terminal()
    with Bar(stream) as progress:
        for name in ("head", "all"):
            progress.stage(name, 1, 2)
            progress.step(1, 1, {"loss": 0.5})
            progress.epoch(EpochRecord(1, {"loss": 0.25}, 0.5))
    assert "head: epoch 1/1  0.5 s  loss 0.2500" in stream.getvalue()
    assert "all: epoch 1/1  0.5 s  loss 0.2500" in stream.getvalue()


def test_metrics_are_short() -> None:
    assert metrics_text({"a": 0.0, "b": 12345.0}) == "a 0.0000  b 1.234e+04"
