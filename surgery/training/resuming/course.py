"""How far a training is while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from surgery.errors import CheckpointInvalid
from surgery.training.frozen_prefix.agreement import Agreement
from surgery.training.history import StageRecord
from surgery.training.layers import hold_scale, set_trainable
from surgery.training.optimizer_state import NOTHING, OptimizerState
from surgery.training.resuming.state import TrainingState, Underway, Variables
from surgery.training.setting import StageWork


class Course:
    """The stages that are done, the variables that they may have changed, and what the next stage goes on with.

    Args:
        model: The model as built.
        stages: All stages of the training.
        optimizer: The state that the first stage's optimizer takes up.
        kept: How far an interrupted run came. The model gets its values.

    Raises:
        CheckpointInvalid: That was with another model.
    """

    def __init__(
        self, model: Any, stages: Sequence[StageWork], optimizer: OptimizerState, kept: TrainingState | None = None
    ) -> None:
        self.variables = Variables(model)
        self.is_resumed = kept is not None
        self.done: list[StageRecord] = []
        self.optimizer = optimizer
        self.underway: Underway | None = None
        """How far the stage was that comes first now."""
        self.key: str | None = None
        """The digest of all that the stage of now follows from, where it is kept for later runs."""
        self.agreement: Agreement | None = None
        """What was found when the features of that stage were compared with the whole network."""
        self.start: Mapping[str, str] = {}
        """A digest of each variable that the stage trains, as it was when the stage began."""
        self._model, self._stages = model, stages
        if kept is not None:
            self._go_on(kept)

    @property
    def left(self) -> Sequence[StageWork]:
        """The stages that are not done."""
        return self._stages[len(self.done) :]

    def begin(self, work: StageWork) -> None:
        """Gives the layers their flags of a stage."""
        set_trainable(self._model, work.trainable.items())
        hold_scale(self._model, work.adapted)
        self.variables.train()

    def finish(self, record: StageRecord, optimizer: OptimizerState) -> None:
        """A stage is done."""
        self.done.append(record)
        self.optimizer, self.underway = optimizer, None

    def state(self, underway: Underway | None = None) -> TrainingState:
        """The state of now. An optimizer at work has its own state in `underway`."""
        optimizer = self.optimizer if underway is None else NOTHING
        return TrainingState(tuple(self.done), self.variables.values(), optimizer, underway)

    def _go_on(self, kept: TrainingState) -> None:
        done = len(kept.stages)
        # The flags of a stage stand on those of the ones before.
        for work in self._stages[: done + (kept.underway is not None)]:
            self.begin(work)
        try:
            self.variables.restore(kept.variables)
        except ValueError as error:
            raise CheckpointInvalid(
                f"the checkpoint is of another model: {error}", fix="start from the beginning: surgery run RECIPE"
            ) from None
        self.done = list(kept.stages)
        self.optimizer, self.underway = kept.optimizer, kept.underway
        self.key = None if kept.underway is None else kept.underway.key
