"""`ewc`: weights that the old task depends on stay near to where they start. Kirkpatrick et al. 2017, arXiv:1612.00796."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never

import keras
import numpy as np

from surgery.execution.variables import keras_layers, stored_variables
from surgery.model.derive import derive
from surgery.model.spec import ModelSpec
from surgery.model.weights import Averaged, Cast, Fresh, Overlap, Resampled, Sliced, Stored, WeightSource
from surgery.planning.guards import GuardPlan, penalty_strength
from surgery.training.data.examples import Array, Examples, Subset
from surgery.training.data.order import Batches, permutation
from surgery.training.guards.penalty import Penalty, anchor

Information = Mapping[tuple[str, str], Array]
"""An array for each variable that trains, by the path of its layer and its key."""


def ewc(plan: GuardPlan, variables: Mapping[tuple[str, str], Any], information: Information) -> Penalty:
    """Holds what the plan holds, by its Fisher information.

    Args:
        plan: The guard as planned.
        variables: The variables of the model as built, by the path of their layer and their key.
        information: The Fisher information of the source model's variables.
    """
    anchors = tuple(
        anchor(variables[one.path, one.weight.key], moved(information, one.weight.source, one.weight.shape))
        for one in plan.held
    )
    return Penalty(plan.number, penalty_strength(plan.guard), anchors)


def moved(information: Information, source: WeightSource, shape: tuple[int, ...]) -> Array:
    """The information on a variable of the result: it goes where the values go, and what begins anew has none."""

    def read(stored: Stored) -> Array:
        found = information.get((stored.path, stored.key))
        return np.zeros(stored.shape, "float32") if found is None else found

    return derive(_plain(source), read, lambda: np.zeros(shape, "float32"))


def _plain(source: WeightSource) -> WeightSource:
    """The same moves, without what holds for values alone: the mean of old rows, another dtype."""
    match source:
        case Sliced(of=of, rest=rest):
            return replace(source, of=_plain(of), rest="zero" if rest == "mean" else rest)
        case Resampled(of=of) | Overlap(of=of):
            return replace(source, of=_plain(of))
        case Cast(of=of):
            return _plain(of)
        case Stored() | Averaged() | Fresh():
            return source
        case _:
            assert_never(source)


def fisher(model: Any, spec: ModelSpec, examples: Examples, loss: Any) -> Information:
    """The diagonal of the empirical Fisher information: the mean of squared gradients, one example at a time.

    The gradients are those that Keras' own training takes, so that every backend has them; the model computes as in
    inference, and no variable of it moves.

    Args:
        model: The model at the values that it is asked for; its flags are set to train.
        spec: What it was built from.
        examples: The examples.
        loss: The negative log-likelihood, as Keras takes it.
    """
    model.trainable = True
    squares = _Squares()
    still = _Still(model)
    still.compile(optimizer=squares, loss=loss)
    still.fit(Batches(examples, 1), shuffle=False, verbose=0)
    sums = {id(variable): total for variable, total in zip(still.trainable_variables, squares.sums, strict=True)}
    return {
        (path, key): keras.ops.convert_to_numpy(sums[id(variable)]) / len(examples)
        for path, layer in keras_layers(model, spec)
        for key, variable in stored_variables(layer).items()
        if id(variable) in sums
    }


def chosen(examples: Examples, samples: int, seed: int) -> Examples:
    """So many of the examples, chosen by the seed."""
    order = permutation(seed, "ewc", 0, len(examples))
    return Subset(examples, np.sort(order[:samples]))


class _Still(keras.Model):  # type: ignore[misc]
    """A model that computes in training as in inference, and whose loss is that of its outputs alone."""

    def __init__(self, model: Any) -> None:
        super().__init__(name="still")
        self.model = model

    def call(self, inputs: Any) -> Any:
        return self.model(inputs, training=False)

    @property
    def losses(self) -> list[Any]:
        return []


class _Squares(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Sums up the squares of gradients, and moves nothing."""

    def __init__(self) -> None:
        super().__init__(learning_rate=0.0, name="squares")

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self.sums = [self.add_variable_from_reference(variable, name="squares") for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        total = self.sums[self._get_variable_index(variable)]
        # An embedding's gradient comes row by row, some rows twice; what is added to a tensor is one.
        dense = keras.ops.add(gradient, keras.ops.zeros(total.shape, total.dtype))
        self.assign_add(total, keras.ops.square(dense))
