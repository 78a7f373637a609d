"""The guards of a plan, ready for the first stage: data opened and checked, anchors kept, the teacher asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surgery.errors import InvalidValue, raise_all
from surgery.execution.build import build_source_model
from surgery.execution.variables import keras_layers, stored_variables
from surgery.model.keras_object import LossObject
from surgery.planning import Plan
from surgery.planning.guards import GuardPlan, old_batch_size
from surgery.recipe.data import DataSource
from surgery.recipe.guards import EWC, Distill, DistillGuard, EWCGuard, L2SPGuard, Replay, ReplayGuard
from surgery.recipe.training import Training
from surgery.training.data.check import check_data, facts_of
from surgery.training.data.datasets import Datasets, loss_name, loss_names
from surgery.training.data.examples import Examples
from surgery.training.data.opening import open_data
from surgery.training.guards.distill import Teacher
from surgery.training.guards.ewc import chosen, ewc, fisher
from surgery.training.guards.guarding import Guarding, Mixed
from surgery.training.guards.l2_sp import l2_sp
from surgery.training.guards.penalty import Penalty
from surgery.training.guards.replay import check_old
from surgery.training.layers import output_names
from surgery.training.objects import live
from surgery.training.outputs import with_outputs
from surgery.training.place import Field, Place


class Preparation:
    """Makes the guards of a plan, whose stages have not begun.

    Args:
        plan: The plan.
        training: The training of its recipe.
        model: The model as built from the plan.
        datasets: What the training learns from.
        trust: The modules whose code may be imported.
    """

    def __init__(
        self, plan: Plan, training: Training, model: Any, datasets: Datasets, trust: Sequence[str] = ()
    ) -> None:
        self._plan, self._training, self._model = plan, training, model
        self._datasets, self._trust = datasets, trust
        self._source: Any = None

    def guarding(self) -> Guarding:
        """All guards.

        Raises:
            SurgeryError: The data of one do not fit.
        """
        penalties: list[Penalty] = []
        teacher: Teacher | None = None
        mixed: Mixed | None = None
        facts = {}
        for one in self._plan.guards:
            match one.guard:
                case L2SPGuard():
                    penalties.append(l2_sp(one, self._variables()))
                case EWCGuard(ewc=asked):
                    old = self._old(one, asked)
                    facts["old samples of ewc"] = facts_of(old)
                    penalties.append(self._ewc(one, asked, old))
                case DistillGuard(distill=asked):
                    teacher = self._teacher(one, asked)
                case ReplayGuard(replay=asked):
                    mixed = self._mixed(one, asked)
                    facts["old samples of replay"] = facts_of(mixed.examples)
        made = Guarding(tuple(penalties), teacher, None, mixed, facts)
        return made if teacher is None else self._with_lessons(made, teacher)

    def _with_lessons(self, made: Guarding, teacher: Teacher) -> Guarding:
        examples: Any = made.examples(self._datasets.train)
        lessons = teacher.over(examples, bool(self._training.data.augmentation))
        return Guarding(made.penalties, teacher, lessons, made.mixed, made.facts)

    def _ewc(self, plan: GuardPlan, asked: EWC, old: Examples) -> Penalty:
        loss = live(self._loss(plan, asked), self._trust, (*_place(plan), "loss"))
        some = chosen(old, asked.samples, self._plan.recipe.seed)
        return ewc(plan, self._variables(), fisher(self._source_model(), self._plan.source.spec, some, loss))

    def _teacher(self, plan: GuardPlan, asked: Distill) -> Teacher:
        size = self._training.data.batch_size
        return Teacher(plan.number, self._source_model(), plan.taught, asked.weight, asked.temperature, size)

    def _mixed(self, plan: GuardPlan, asked: Replay) -> Mixed:
        learner = with_outputs(self._model, self._datasets.outputs)
        old = self._opened(plan, asked.data, learner)
        place: Field = (*_place(plan), "data")
        errors = [
            error for losses in loss_names(self._training, learner) for error in check_data(old, learner, losses, place)
        ]
        new: Any = self._datasets.train
        raise_all(list({error.what: error for error in errors}.values()) or check_old(new, old, place))
        return Mixed(plan.number, old, old_batch_size(asked.share, self._training.data.batch_size))

    def _old(self, plan: GuardPlan, asked: EWC) -> Examples:
        """The old examples as the source model takes them."""
        source = self._source_model()
        old = self._opened(plan, asked.data, source)
        losses = [loss_name(self._loss(plan, asked))] * len(source.outputs)
        raise_all(check_data(old, source, losses, (*_place(plan), "data")))
        return old

    def _loss(self, plan: GuardPlan, asked: EWC) -> LossObject:
        """Between the source model's output and old targets."""
        (name, *_) = output_names(self._source_model())
        loss = asked.loss or self._training.stages[0].loss_of(name)
        if loss is None:
            raise InvalidValue(
                f"ewc: the first stage has no loss for '{name}'",
                expected="the loss that the source model was trained with",
                fix="ewc: {loss: sparse_categorical_crossentropy, ...}",
                field=_place(plan),
            )
        return loss

    def _opened(self, plan: GuardPlan, data: DataSource, model: Any) -> Examples:
        place = Place(self._plan.recipe.folder, (*_place(plan), "data"), self._trust)
        examples: Any = open_data(data, model, place)
        return examples  # type: ignore[no-any-return]

    def _source_model(self) -> Any:
        if self._source is None:
            self._source = build_source_model(self._plan, self._trust)
        return self._source

    def _variables(self) -> dict[tuple[str, str], Any]:
        """The variables of the model as built, by the path of their layer and their key."""
        return {
            (path, key): variable
            for path, layer in keras_layers(self._model, self._plan.spec)
            for key, variable in stored_variables(layer).items()
        }


def _place(plan: GuardPlan) -> Field:
    return ("training", "guards", plan.number, plan.kind)
