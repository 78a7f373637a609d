"""`distill`: the source model teaches. Hinton et al. 2015, arXiv:1503.02531; Li and Hoiem 2016, arXiv:1606.09282."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from surgery.planning.teaching import Taught
from surgery.training.data.examples import Array, Examples, Indices
from surgery.training.outputs import Learner

Answers = tuple[Array, ...]
"""For each output that is taught, what the teacher says of the units that both have: logits, or plain values."""

KEPT_AT_ONCE = 512 * 2**20
"""Bytes of answers that are computed once and kept; more are computed batch by batch."""
SMALLEST = float(np.finfo("float32").tiny)
"""The smallest probability that is told from none. Below Keras' own 1e-7 old classes still differ, and have a gradient."""
LOOKED_AT = 512
"""Examples on which the distance from the teacher is measured when a stage is over."""


@dataclass(frozen=True)
class Teacher:
    """The source model, and what it teaches."""

    guard: int
    """The place of its guard in the recipe's list."""
    model: Any
    lessons: tuple[Taught, ...]
    weight: float
    temperature: float
    batch_size: int

    def answers(self, x: Any) -> Answers:
        """What it says about a batch."""
        outputs = keras.tree.flatten(self.model.predict_on_batch(list(x) if isinstance(x, tuple) else x))
        return tuple(
            keras.ops.convert_to_numpy(
                answer(outputs[one.teacher], [old for _, old in one.columns], one.activations[1])
            )
            for one in self.lessons
        )

    def over(self, examples: Examples, is_varied: bool) -> Callable[[Indices, Any], Answers]:
        """Its answers for a batch of examples, by their indices and their inputs.

        Args:
            examples: The training examples with the inputs of the whole model.
            is_varied: Whether augmentation makes other inputs of them; then it is asked about those.
        """
        if is_varied:
            return lambda indices, x: self.answers(x)
        if sum(array.nbytes for array in self.answers(examples.take(np.arange(1))[0])) * len(examples) > KEPT_AT_ONCE:
            return lambda indices, x: self.answers(examples.take(indices)[0])
        batches = [
            np.arange(first, min(first + self.batch_size, len(examples))) for first in self._starts(len(examples))
        ]
        parts = [self.answers(examples.take(indices)[0]) for indices in batches]
        kept = tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return lambda indices, x: tuple(array[indices] for array in kept)

    def loss(self, answers: Any, outputs: Sequence[Any], kept: Sequence[int] | None = None) -> Any:
        """What the distance of a model's outputs from its answers adds to the loss.

        Args:
            answers: The teacher's.
            outputs: The model's.
            kept: Their places among the outputs of the whole model; None where all are there.
        """
        given = dict(zip(range(len(outputs)) if kept is None else kept, outputs, strict=True))
        return self.weight * sum(
            distance(one, said, given[one.output], self.temperature)
            for one, said in zip(self.lessons, answers, strict=True)
        )

    def value(self, model: Any, examples: Examples) -> float:
        """What it adds to the loss of a model as it is now, on the first training examples."""
        length = min(len(examples), LOOKED_AT)
        total = 0.0
        for first in self._starts(length):
            indices = np.arange(first, min(first + self.batch_size, length))
            x = examples.take(indices)[0]
            outputs = keras.tree.flatten(model.predict_on_batch(list(x) if isinstance(x, tuple) else x))
            total += float(keras.ops.convert_to_numpy(self.loss(self.answers(x), outputs))) * len(indices)
        return total / length

    def _starts(self, length: int) -> range:
        return range(0, length, self.batch_size)


def answer(output: Any, columns: list[int], activation: str) -> Any:
    """Some units of an output as logits, where they are probabilities; others as they are."""
    values = keras.ops.cast(keras.ops.take(output, np.array(columns), axis=-1), "float32")
    match activation:
        case "softmax":
            return keras.ops.log(keras.ops.maximum(values, SMALLEST))
        case "sigmoid":
            low = keras.config.epsilon()
            values = keras.ops.clip(values, low, 1.0 - low)
            return keras.ops.log(values) - keras.ops.log(1.0 - values)
        case _:
            return values


def distance(lesson: Taught, said: Any, output: Any, temperature: float) -> Any:
    """How far an output is from the teacher's answer, by the losses of `keras.distillation`."""
    given = answer(output, [new for new, _ in lesson.columns], lesson.activations[0])
    if lesson.answer == "values":
        return keras.distillation.FeatureDistillation(loss="mse").compute_loss(said, given)
    if lesson.answer == "yes or no":
        said, given = _yes_and_no(said), _yes_and_no(given)
    # By its name Keras 3.15 finds the function, which would take logits for probabilities.
    loss = keras.losses.KLDivergence()
    return keras.distillation.LogitsDistillation(temperature=temperature, loss=loss).compute_loss(said, given)


def _yes_and_no(logits: Any) -> Any:
    """A logit as two, whose softmax is its sigmoid and the rest."""
    return keras.ops.stack([logits, keras.ops.zeros_like(logits)], axis=-1)


TARGETS, ANSWERS = "targets", "answers"


def with_answers(targets: Any, answers: Answers) -> dict[str, Any]:
    """The targets of a batch, and what the teacher says of it."""
    return {TARGETS: targets, ANSWERS: answers}


@contextmanager
def taught_by(teacher: Teacher, learner: Learner) -> Iterator[None]:
    """Has a model learn from the answers that come with its targets. Batches without answers are as they were.

    The methods of this one model are replaced, so that it stays the model that callbacks know and save.
    """
    model = learner.model
    compute_loss, compute_metrics = model.compute_loss, model.compute_metrics

    def loss(x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True) -> Any:
        targets, answers = _parted(y)
        own = compute_loss(x, targets, learner.targeted(y_pred), sample_weight, training)
        return own if answers is None else own + teacher.loss(answers, keras.tree.flatten(y_pred), learner.kept)

    def metrics(x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return compute_metrics(x, _parted(y)[0], learner.targeted(y_pred), sample_weight)

    model.compute_loss, model.compute_metrics = loss, metrics
    try:
        yield
    finally:
        del model.compute_loss, model.compute_metrics


def _parted(y: Any) -> tuple[Any, Any]:
    if isinstance(y, dict) and set(y) == {TARGETS, ANSWERS}:
        return y[TARGETS], y[ANSWERS]
    return y, None
