"""Which of the variables that a stage trains it left exactly as they were: a gradient that is zero is no error to Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from surgery.model.fingerprint import variable_digest
from surgery.planning.rates import Rate
from surgery.training.layers import walk
from surgery.training.rates import Pace

Digests = Mapping[str, str]
"""A digest of each variable that trains, by the path of its layer and its name."""


@dataclass(frozen=True, slots=True)
class Unmoved:
    """The variables that did not move.

    Args:
        variables: Each by the path of its layer, a space, and its name.
        of: How many were to train.
    """

    variables: tuple[str, ...]
    of: int

    @property
    def is_all(self) -> bool:
        """Whether the stage changed nothing that it was to change."""
        return len(self.variables) == self.of


def digests(model: Any, rates: Mapping[str, Rate]) -> Digests:
    """Those of a model that trains. Without the variables whose rate the recipe sets to 0: they are not to move."""
    slow = Pace(rates).of(model)
    training = {id(variable) for variable in model.trainable_variables}
    found: dict[str, str] = {}
    for path, layer in walk(model):
        for variable in layer._trainable_variables:
            if id(variable) in training and slow.get(id(variable), Rate()).multiplier:
                training.discard(id(variable))
                found[f"{path} {variable.name}"] = variable_digest(np.asarray(keras.ops.convert_to_numpy(variable)))
    return found


def unmoved(before: Digests, after: Digests) -> Unmoved | None:
    """The variables that are what they were; None where each is another, or none was to train."""
    same = tuple(name for name, digest in before.items() if after.get(name) == digest)
    return Unmoved(same, len(before)) if same else None
