"""A model with some of its outputs: those that there are targets for. What leads to the others alone is not computed, nor trained."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from surgery.errors import DataInvalid
from surgery.model.nearest import did_you_mean
from surgery.training.data.examples import packed
from surgery.training.layers import output_names
from surgery.training.place import Field


def places(model: Any, names: Collection[str] | None, field: Field = ()) -> list[int]:
    """Where some outputs stand among those of a model, in the model's order; all where none are named.

    Raises:
        DataInvalid: The model has no such output.
    """
    known = output_names(model)
    for name in names or ():
        if name not in known:
            raise DataInvalid(
                f"the model has no output '{name}'",
                expected=f"one of {', '.join(known)}",
                fix=did_you_mean(name, known),
                field=field,
            )
    return [place for place, name in enumerate(known) if names is None or name in names]


def for_each(count: int, make: Callable[[], list[Any]]) -> list[Any]:
    """What is made for one output; for several a list of what is made for each."""
    return make() if count == 1 else [make() for _ in range(count)]


def with_outputs(model: Any, chosen: Sequence[int], compared: int | None = None) -> Any:
    """The same model with some of its outputs; itself where all are chosen as they stand. Both share layers and variables.

    Args:
        model: A Functional or Sequential model.
        chosen: The places of the outputs among those of the model, in the order that is asked for.
        compared: How many of these, the first ones, a loss compares with targets; None for all.
    """
    whole = getattr(model, "_functional", None) or model
    tensors = keras.tree.flatten(whole.outputs)
    compared = len(chosen) if compared is None else compared
    if list(chosen[:compared]) == list(range(len(tensors))):
        return model
    kept = [tensors[place] for place in chosen]
    part = keras.Model(whole._inputs_struct, kept[0] if len(kept) == 1 else kept)
    part.output_names = part.output_names[:compared]  # by these `compile` names what it measures
    return part


@dataclass(frozen=True)
class Learner:
    """A model that learns, and which outputs of the whole model it has."""

    model: Any
    kept: Sequence[int]
    """The places of its outputs among those of the whole model."""
    own: Sequence[int]
    """Those of them that have targets; the others have a teacher alone."""

    def targeted(self, outputs: Any) -> Any:
        """Of its outputs those that have targets, as Keras takes them."""
        if len(self.own) == len(self.kept):
            return outputs
        given = dict(zip(self.kept, keras.tree.flatten(outputs), strict=True))
        return packed([given[place] for place in self.own])
