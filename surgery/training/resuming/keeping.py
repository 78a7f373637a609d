"""What of a training outlives its process, and what there is from before."""

from __future__ import annotations

from dataclasses import dataclass

from surgery.training.resuming.checkpoint import Checkpoint
from surgery.training.resuming.done_before import DoneBefore
from surgery.training.resuming.state import TrainingState


@dataclass(frozen=True)
class Keeping:
    """Where a training is kept, and what is kept of earlier ones."""

    checkpoint: Checkpoint | None = None
    """So that it can be resumed."""
    kept: TrainingState | None = None
    """How far an interrupted run came."""
    before: DoneBefore | None = None
    """The stages that earlier runs have done."""


NOT_KEPT = Keeping()
"""Nothing."""
