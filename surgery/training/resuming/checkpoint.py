"""The one checkpoint of a run: written whole or not at all, in no more than a hundredth of the time, and read with suspicion."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from surgery.errors import CheckpointInvalid, FileUnreadable, RunFailed
from surgery.planning.facts import Facts
from surgery.planning.stack import machine
from surgery.training.resuming.bundle import read_bundle, read_head, write_bundle
from surgery.training.resuming.state import TrainingState

NAME = "checkpoint"
FORMAT = "surgery-checkpoint-2"

SHARE = 0.01
"""How much of the time checkpoints may take."""
SLOWEST = 300e6
"""Bytes in a second: what the first one is expected to be written at."""
AT_LEAST = 0.01
"""Seconds that any is expected to take."""


@dataclass(frozen=True)
class Head:
    """What a checkpoint says without its arrays."""

    facts: Facts
    """What the training follows from."""
    where: str
    """How far it is, in words."""
    written: str
    resumed: tuple[Mapping[str, str], ...] = ()
    """When and from where the run was resumed before."""
    untaken: tuple[str, ...] = ()
    """What of it could not be kept."""
    machine: str = ""
    """Where it was written."""


class Checkpoint:
    """The checkpoint of a run that goes on.

    Args:
        path: The file.
        facts: What the training follows from.
        resumed: When and from where the run was resumed.
        command: What goes on with it.
    """

    def __init__(
        self,
        path: Path,
        facts: Facts,
        resumed: Sequence[Mapping[str, str]] = (),
        command: str = "surgery run RECIPE --resume",
    ) -> None:
        self.path = path
        self.command = command
        self.resumed = tuple(resumed)
        self._facts = facts
        self._last = time.monotonic()
        self._cost = 0.0

    def is_due(self, size: int) -> bool:
        """Whether so much time has gone by that writing this many bytes takes only its share of it."""
        cost = self._cost or max(size / SLOWEST, AT_LEAST)
        return time.monotonic() - self._last >= cost / SHARE

    def write(self, state: TrainingState, where: str, untaken: Sequence[str] = ()) -> None:
        """Puts a state in place of the one before.

        Raises:
            RunFailed: The disk does not take it. Going on would be going on without a net, and the model could not be written
                in the end either.
        """
        began = time.monotonic()
        head = {
            "format": FORMAT,
            "facts": dict(self._facts),
            "where": where,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "resumed": [dict(one) for one in self.resumed],
            "untaken": list(untaken),
            "machine": machine(),
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_bundle(self.path, head, state.to_value())
        except OSError as error:
            raise RunFailed(
                f"{where}: the checkpoint cannot be written: {error.strerror or error}",
                expected="a disk with room that can be written to; the checkpoint before this one stays",
                fix=f"make room, then go on: {self.command}",
            ) from error
        self._last = time.monotonic()
        self._cost = max(self._last - began, AT_LEAST)

    def remove(self) -> None:
        """When the run is over."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def head_of(path: Path) -> Head:
    """What a checkpoint says without its arrays.

    Raises:
        CheckpointInvalid: It is damaged, or none.
        CheckpointForeign: Somebody else has written it.
    """
    try:
        return _head(read_head(path))
    except FileUnreadable as error:
        raise _invalid(path, error.what) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _invalid(path, f"{path} is no checkpoint: {error}") from None


def read_checkpoint(path: Path) -> tuple[Head, TrainingState]:
    """A checkpoint, every byte of which is as it was written.

    Raises:
        CheckpointInvalid: It is damaged, or none.
        CheckpointForeign: Somebody else has written it.
    """
    try:
        head, value = read_bundle(path)
        return _head(head), TrainingState.from_value(value)
    except FileUnreadable as error:
        raise _invalid(path, error.what) from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _invalid(path, f"{path} is no checkpoint: {error}") from None


def _head(value: Mapping[str, Any]) -> Head:
    if value["format"] != FORMAT:
        raise ValueError(f"its format is {value['format']!r}")
    facts = {str(name): str(fact) for name, fact in value["facts"].items()}
    return Head(
        facts, value["where"], value["written"], tuple(value["resumed"]), tuple(value["untaken"]), value["machine"]
    )


def _invalid(path: Path, what: str) -> CheckpointInvalid:
    return CheckpointInvalid(
        what,
        expected="the checkpoint as it was written",
        fix=f"remove it, and start from the beginning: rm {path}",
    )
