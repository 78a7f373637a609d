"""Has the reader read a file, waits no longer than allowed, and believes nothing but a well-formed answer."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import Any

from surgery.model import reader
from surgery.model.scan import limits
from surgery.model.scan.rule import shown
from surgery.model.scan.verdict import Finding, Status

OUTCOMES = {
    "scan-timeout": "It took over 10 seconds of computing, or 40 in all (a large config adds to it). HDF5 can be made endless.",
    "scan-memory": "Reading the file took more memory than any genuine model needs.",
    "scan-crashed": "The process that read the file died, as libhdf5 does on some damaged files.",
    "scan-failed": "The scan itself failed on this file. It counts as a refusal; please report it with the file.",
}
"""How a scan can end without a verdict, for the error catalogue. Each is `could not check`."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The kind of a file, what the rules have against it, and where its variables lie, as `surgery.model.archive.index` has it."""

    kind: str
    findings: tuple[Finding, ...]
    index: Any = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A file that is being read."""

    answer: reader.Answer | None
    seconds: float

    def wait(self) -> Answered:
        """What the reader says of it, or how it failed to."""
        if self.answer is None:
            return _outcome("scan-failed", "the reading process could not be started")
        found = self.answer.wait(self.seconds, limits.WALL_FACTOR * limits.MORE_SECONDS, limits.ANSWER_BYTES)
        if found is None:
            return _outcome(
                "scan-timeout",
                f"the file was not read within {self.seconds:g} seconds",
            )
        return _understood(*found)

    def abandon(self) -> None:
        """Nobody wants to know any more."""
        if self.answer is not None:
            self.answer.abandon()


def ask(descriptor: int, trust: tuple[str, ...], seconds: float = limits.WALL_SECONDS) -> Asked:
    """Has an open file read, while something else is done."""
    line = json.dumps({"trust": trust, "seconds": seconds}).encode() + b"\n"
    answer = reader.start().ask(line, descriptor)
    if answer is None:
        # Somebody has ended it. Another one takes its place.
        reader.stop()
        answer = reader.start().ask(line, descriptor)
    return Asked(answer, seconds)


def _understood(answer: bytes, status: int) -> Answered:
    if status:
        return _outcome(*_death(status))
    try:
        # What stands before the document is the byte that says how many seconds more it takes.
        data: Any = json.loads(answer[answer.find(b"{") :]) if len(answer) <= limits.ANSWER_BYTES else None
        findings = tuple(Finding.from_json(entry) for entry in data["findings"])
        return Answered(shown(data["kind"]), findings, data.get("index"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return _outcome("scan-failed", "the reading process gave no answer")


def _death(status: int) -> tuple[str, str]:
    if status == -signal.SIGXCPU:
        return "scan-timeout", "reading the file took too much computing"
    if status < 0:
        return "scan-crashed", f"the reading process was ended by signal {-status}"
    return "scan-failed", f"the reading process ended with status {status}"


def _outcome(code: str, message: str) -> Answered:
    return Answered("unknown", (Finding(code, Status.UNCHECKED, message),))
