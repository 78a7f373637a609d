"""What is looked at when a stage is over: the evaluations of the recipe, and what its guards add to the loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from surgery.execution.stopping import Stopped, is_asked
from surgery.training.data.examples import Examples, Stream
from surgery.training.evaluations import Evaluations
from surgery.training.guards.guarding import Guarding
from surgery.training.history import StageRecord


@dataclass(frozen=True)
class Watch:
    """The evaluations of a recipe between its stages.

    Args:
        evaluations: The evaluations.
        guards: The guards of the training.
        train: What training learns from.
    """

    evaluations: Evaluations
    guards: Guarding
    train: Examples | Stream

    def after(self, model: Any, record: StageRecord, *, is_last: bool) -> StageRecord:
        """The record of a stage with what the model is worth now. A signal to end is obeyed first, and leaves it out.

        Args:
            model: The whole model.
            record: That of the stage.
            is_last: Whether no stage follows. Then the run itself measures, as soon as the training is over.
        """
        if is_asked():
            return record
        losses = self.guards.losses(model, self.guards.examples(self.train))
        guarded = replace(record, guards={str(number): loss for number, loss in losses.items()})
        if is_last:
            return guarded
        try:
            found = self.evaluations.measured(model)
        except Stopped:
            return guarded
        names = (one.name for one in self.evaluations.asked)
        return replace(guarded, evaluation={name: one.values for name, one in zip(names, found, strict=True)})
