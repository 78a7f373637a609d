"""Finds the run that was interrupted, and says what keeps it from being gone on with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from surgery.errors import (
    Busy,
    CheckpointForeign,
    CheckpointInvalid,
    CheckpointStale,
    Errors,
    Location,
    RunFailed,
    SurgeryError,
)
from surgery.model.archive.staging import claimed
from surgery.planning.facts import Facts, differing
from surgery.training.folder import numbered
from surgery.training.record import shown
from surgery.training.resuming.checkpoint import NAME, Head, head_of
from surgery.training.resuming.key import KeyUnusable, key_path, require_key

SHOWN = 20
"""What moved is listed up to so many lines."""


@dataclass(frozen=True)
class Unfinished:
    """A run that has not come to its end."""

    folder: Path
    head: Head

    @property
    def checkpoint(self) -> Path:
        return self.folder / NAME

    def resumed(self) -> Sequence[Mapping[str, str]]:
        """When and from where it was resumed, this time the last."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return (*self.head.resumed, {"when": now, "from": self.head.where, "written": self.head.written})


def interrupted(parent: Path, facts: Facts, again: str) -> Unfinished | None:
    """The newest run in a folder of runs that can be gone on with. None where no run was interrupted.

    Args:
        parent: `runs/NAME`.
        facts: What the run of now follows from.
        again: The command that starts from the beginning.

    Raises:
        CheckpointStale: Those that were interrupted follow from something else; every such thing of the newest is named.
        CheckpointInvalid: The checkpoint of the newest is damaged.
        CheckpointForeign: This user has written none of them.
    """
    found: list[Unfinished] = []
    foreign: list[Path] = []
    for folder in _unfinished(parent):
        try:
            found.append(Unfinished(folder, head_of(folder / NAME)))
        except CheckpointForeign:
            foreign.append(folder)
    if foreign and not found:
        raise _foreign(foreign[0], again)
    fitting = next((one for one in found if one.head.facts == facts), None)
    if fitting is None and found:
        raise _stale(found[0], facts, again)
    if fitting is not None and fitting.head.untaken:
        raise CheckpointStale(
            f"{fitting.head.where}: {fitting.head.untaken[0]}",
            expected="callbacks whose attributes are plain values or arrays",
            fix=f"start from the beginning: {again}",
            location=Location(shown(fitting.checkpoint)),
        )
    return fitting


def hints(parent: Path, facts: Facts, command: str) -> Iterator[str]:
    """A line on the newest run, where it was interrupted and could be gone on with; and one on what others have brought along."""
    is_foreign = False
    with suppress(CheckpointInvalid, Busy, RunFailed):
        for folder in _unfinished(parent):
            try:
                head = head_of(folder / NAME)
            except CheckpointForeign:
                if not is_foreign:
                    yield f"{shown(folder)} has a checkpoint from elsewhere, without your seal: it is not used"
                is_foreign = True
                continue
            if head.facts == facts:
                with claimed(folder / NAME):
                    yield f"{shown(folder)} was interrupted; to go on with it: {command}"
            return


def _unfinished(parent: Path) -> Iterator[Path]:
    """The folders of runs that have a checkpoint, the newest first. Of one that came to its end it is a remainder."""
    for folder in sorted(numbered(parent), key=lambda folder: int(folder.name), reverse=True):
        if (folder / NAME).exists() and _status(folder) in (None, "failed"):
            yield folder


def _status(folder: Path) -> str | None:
    try:
        status = json.loads((folder / "run.json").read_text(encoding="utf-8"))["status"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return str(status)


def _foreign(folder: Path, again: str) -> CheckpointForeign:
    try:
        expected = f"a checkpoint that was sealed with your key, {key_path()}"
        require_key()
    except KeyUnusable as error:
        expected = f"a key to know your own checkpoints by; {error}"
    return CheckpointForeign(
        "this checkpoint came from elsewhere, or its seal is not yours, and it is not used: what is in it would become the weights",
        expected=expected,
        fix=f"start from the beginning: {again}",
        location=Location(shown(folder / NAME)),
    )


def _stale(run: Unfinished, facts: Facts, again: str) -> SurgeryError:
    """An error for each thing that moved."""
    errors: list[SurgeryError] = [
        CheckpointStale(text, fix=_fix(name, run.head.facts), location=Location(shown(run.checkpoint)))
        for name, text in differing(run.head.facts, facts)
    ]
    more = errors[SHOWN:]
    if more:
        errors[SHOWN:] = [CheckpointStale(f"and {len(more)} more", location=Location(shown(run.checkpoint)))]
    errors[-1].expected = "recipe, model, data and versions as they were when the run was interrupted"
    errors[-1].fix = f"{errors[-1].fix or 'put them back'}; or start from the beginning: {again}"
    return errors[0] if len(errors) == 1 else Errors(errors)


def _fix(name: str, then: Facts) -> str:
    """How to have a fact as it was."""
    kind, _, rest = name.partition(" ")
    before = then.get(name)
    match kind:
        case "version" if rest == "python":
            return f"run it with Python {before}"
        case "version" if before is not None:
            return f"pip install '{'keras-surgery' if rest == 'surgery' else rest}=={before}'"
        case "backend" if not rest:
            return f"KERAS_BACKEND={before}"
        case "cache":
            return "--cache" if before == "yes" else "--no-cache"
        case "device":
            return f"device: {before}, on a machine that has it"
        case "recipe" | "seed":
            return "put that part of the recipe back"
        case "loss":
            return "go on with the surgery that wrote the checkpoint: this one scales the loss in mixed_float16"
        case "trust":
            return f"--trust {before}" if before else "without --trust"
    return f"put the {kind} back as it was"
