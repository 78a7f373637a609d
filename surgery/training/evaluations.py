"""The evaluations of a recipe: made on the source model, after every stage, and on the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from surgery.errors import raise_all
from surgery.execution.build import build_source_model
from surgery.model.multiply_adds import multiply_adds
from surgery.planning.shared_prefix import shared_prefix
from surgery.recipe.evaluation import Evaluation
from surgery.recipe.training import Training
from surgery.training.data.datasets import Datasets
from surgery.training.evaluation import Comparison, Measurement, Setup, compare, measure, misfits, unguarded
from surgery.training.frozen_prefix.shared import SharedPrefix
from surgery.training.job import Job
from surgery.training.place import Field


@dataclass(frozen=True)
class Evaluations:
    """All of them, and what they need."""

    asked: Sequence[Evaluation]
    setup: Setup

    @classmethod
    def of(cls, job: Job, datasets: Datasets | None) -> Evaluations:
        """Those of a run: with the metrics and the loss of the last stage, where they name none."""
        folder, training = job.recipe.folder, job.recipe.training
        if training is None or datasets is None:
            return cls(job.recipe.evaluation, Setup(folder, job.trust))
        last = training.stages[-1]
        setup = Setup(
            folder, job.trust, datasets.validation, training.data.train, last.metrics, last, _shared(job, training)
        )
        return cls(job.recipe.evaluation, setup)

    def before(self, job: Job, model: Any) -> list[Measurement]:
        """What they come to on the source model.

        Args:
            job: The run.
            model: The result, not trained yet.

        Raises:
            DataInvalid: One cannot be made on the result; or has a `max_drop`, and cannot be made on the source model.
        """
        if not self.asked:
            return []
        for number, one in enumerate(self.asked):
            raise_all(misfits(model, one, self.setup, _field(number)))
        if job.plan.source.holds_code:
            measured = [Measurement(failure="the source model carries code, which is never run")] * len(self.asked)
        else:
            measured = self.measured(build_source_model(job.plan, job.trust))
        pairs = enumerate(zip(self.asked, measured, strict=True))
        raise_all([error for number, (one, values) in pairs for error in unguarded(one, values, _field(number))])
        return measured

    def measured(self, model: Any) -> list[Measurement]:
        """What they come to on a model."""
        return [measure(model, one, self.setup, _field(number)) for number, one in enumerate(self.asked)]

    def compared(self, before: Sequence[Measurement], after: Sequence[Measurement]) -> list[Comparison]:
        """Metric by metric, what the source model has and what the result has.

        Raises:
            DataInvalid: One could not be made on the result.
        """
        triples = enumerate(zip(self.asked, before, after, strict=True))
        return [pair for number, (one, old, new) in triples for pair in compare(one, old, new, _field(number))]


def _shared(job: Job, training: Training) -> SharedPrefix:
    """What evaluations compute once: one before the first stage, and one after each."""
    prefix, stages = shared_prefix(job.plan), job.plan.stages
    work = sum(multiply_adds(job.plan.final.by_name[name]) or 0 for name in prefix.layers)
    return SharedPrefix(prefix, work, len(stages) + 1, job.budget(training), job.device)


def _field(number: int) -> Field:
    return ("evaluation", number)
