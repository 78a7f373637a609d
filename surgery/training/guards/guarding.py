"""All guards of a training together, and what they do to each of its stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from surgery.training.data.check import DataFacts
from surgery.training.data.examples import Examples, Indices, Stream
from surgery.training.guards.distill import Answers, Teacher, taught_by, with_answers
from surgery.training.guards.penalty import Penalty, added
from surgery.training.guards.replay import Mixing, joined, mixed_order
from surgery.training.layers import output_names
from surgery.training.outputs import Learner, with_outputs


@dataclass(frozen=True)
class Mixed:
    """The old examples that stand in every batch, and how many do."""

    guard: int
    """The place of its guard in the recipe's list."""
    examples: Examples
    old_in_batch: int


@dataclass(frozen=True)
class Guarding:
    """What holds in every stage. It follows from the recipe, the model as built and the data, and a stage changes none of it."""

    penalties: tuple[Penalty, ...] = ()
    teacher: Teacher | None = None
    lessons: Callable[[Indices, Any], Answers] | None = None
    """The teacher's answers for a batch of the examples that training learns from."""
    mixed: Mixed | None = None
    facts: Mapping[str, DataFacts] = field(default_factory=dict)
    """What the report says about the data of guards, by what they are called."""

    def examples(self, train: Examples | Stream) -> Examples | Stream:
        """What training learns from: with the old examples behind the new ones."""
        return train if self.mixed is None or isinstance(train, Stream) else joined(train, self.mixed.examples)

    def order(
        self, examples: Examples, batch_size: int, seed: int, stage: str, is_shuffled: bool
    ) -> tuple[Callable[[int], Indices], int] | None:
        """The order of the examples of an epoch, and how many these are; None where no old ones are among them."""
        if self.mixed is None:
            return None
        old = len(self.mixed.examples)
        mixing = Mixing(len(examples) - old, old, batch_size, self.mixed.old_in_batch)
        return partial(mixed_order, mixing, seed, stage, is_shuffled), len(mixing)

    @property
    def answered(self) -> Callable[[Indices, Any, Any], Any] | None:
        """What becomes of the targets of a batch, by its indices and inputs; None where nobody teaches."""
        lessons = self.lessons
        return None if lessons is None else lambda indices, x, y: with_answers(y, lessons(indices, x))

    def learner(self, model: Any, targeted: Sequence[int] | None) -> Learner:
        """What a model learns with: its outputs that have targets, and those that the teacher teaches.

        Args:
            model: A model with all outputs.
            targeted: The places of those that have targets; None for all.
        """
        every = range(len(output_names(model)))
        own = [place for place in every if targeted is None or place in targeted]
        lessons = () if self.teacher is None else self.teacher.lessons
        kept = [*own, *sorted({lesson.output for lesson in lessons} - {*own})]
        return Learner(with_outputs(model, kept, len(own)), kept, own)

    @contextmanager
    def over(self, learner: Learner) -> Iterator[None]:
        """Has a model learn under the guards. Afterwards it is as it was, but for its weights."""
        with ExitStack() as stack:
            stack.enter_context(added(self.penalties))
            if self.teacher is not None:
                stack.enter_context(taught_by(self.teacher, learner))
            yield

    def losses(self, model: Any, train: Examples | Stream) -> dict[int, float]:
        """What the guards add to the loss of the whole model as it is now, by their place in the recipe's list."""
        found = {penalty.guard: penalty.value() for penalty in self.penalties}
        if self.teacher is not None and not isinstance(train, Stream):
            found[self.teacher.guard] = self.teacher.value(model, train)
        return found


NO_GUARDS = Guarding()
