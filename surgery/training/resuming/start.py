"""Where a run takes place: in a new folder, or in that of a run which was interrupted and goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from surgery.model.archive.staging import claimed
from surgery.planning.facts import Facts
from surgery.planning.resuming import done_again_because, resuming_facts, stage_facts
from surgery.planning.stack import machine
from surgery.recipe.training import byte_count
from surgery.training.folder import new_folder
from surgery.training.job import Job
from surgery.training.record import shown
from surgery.training.resuming.checkpoint import NAME, Checkpoint, read_checkpoint
from surgery.training.resuming.done_before import DoneBefore
from surgery.training.resuming.interrupted import hints, interrupted
from surgery.training.resuming.keeping import Keeping
from surgery.training.resuming.state import TrainingState


@dataclass(frozen=True)
class Place:
    """The folder of a run, and what is kept there of its training."""

    folder: Path
    keeping: Keeping

    @property
    def last_good(self) -> Path:
        """What a run leaves that failed."""
        return self.folder / "last-good.keras"

    def over(self) -> None:
        """The run has come to its end: what would go on with it goes."""
        if self.keeping.checkpoint is not None:
            self.keeping.checkpoint.remove()
        with suppress(OSError):
            self.last_good.unlink(missing_ok=True)


@dataclass(frozen=True)
class Start:
    """What a run begins with."""

    facts: Facts
    folder: Path | None = None
    """That of the run that goes on."""
    kept: TrainingState | None = None
    """How far that run came."""
    resumed: Sequence[Mapping[str, str]] = ()
    notes: tuple[str, ...] = ()

    def take_place(self, job: Job, claims: ExitStack) -> Place:
        """The folder, a new one where no run goes on, and claimed."""
        folder = self.folder
        if folder is None:
            folder = new_folder(job.runs)
            claims.enter_context(claimed(folder / NAME))
        if job.recipe.training is None or not job.store.has_key:
            return Place(folder, Keeping())
        checkpoint = Checkpoint(folder / NAME, self.facts, self.resumed, f"{job.command} --resume")
        return Place(folder, Keeping(checkpoint, self.kept, _done_before(job, self.facts)))


def begun(job: Job, resume: bool, claims: ExitStack) -> Start:
    """What a run begins with: an interrupted one, where it shall go on with that and there is one.

    Raises:
        CheckpointStale, CheckpointInvalid, CheckpointForeign: It cannot be gone on with.
        Busy: It is going on in another process.
    """
    if job.recipe.training is None:
        return Start({})
    facts = job.circumstances(resuming_facts(job.plan))
    for note in job.store.notes:
        job.progress.say(note)
    if not resume:
        for line in hints(job.runs, facts, f"{job.command} --resume"):
            job.progress.say(line)
        return Start(facts, notes=job.store.notes)
    found = interrupted(job.runs, facts, job.command)
    if found is None:
        job.progress.say(f"nothing to resume in {shown(job.runs)}: it starts from the beginning")
        return Start(facts, notes=job.store.notes)
    claims.enter_context(claimed(found.checkpoint))
    head, kept = read_checkpoint(found.checkpoint)
    job.progress.say(f"resumed in {shown(found.folder)} at {head.where}")
    elsewhere = f"Resumed on another machine ({machine()}, before: {head.machine}): the last bits may differ."
    notes = (elsewhere,) if head.machine != machine() else ()
    return Start(facts, found.folder, kept, found.resumed(), (*job.store.notes, *notes))


def _done_before(job: Job, facts: Facts) -> DoneBefore | None:
    training = job.recipe.training
    if training is None or not job.cache or job.store.folder is None:
        return None
    again = {planned.name: done_again_because(job.recipe, planned.stage) for planned in job.plan.stages}
    return DoneBefore(
        job.store.folder / "stages",
        byte_count(training.cache.disk),
        {**stage_facts(job.recipe, facts), "machine": machine()},
        {name: why for name, why in again.items() if why is not None},
    )
