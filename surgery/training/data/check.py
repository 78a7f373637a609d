"""What must fit before the first step: inputs, targets and loss against the model, batch size, monitored metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from surgery.errors import DataInvalid, SurgeryError
from surgery.model.weights import shape_text
from surgery.planning.losses import loss_error
from surgery.planning.signals import signals_of, stage_errors
from surgery.recipe.training import Stage
from surgery.training.data.examples import Array, Examples, TensorFacts
from surgery.training.data.shapes import reshaping, takes
from surgery.training.data.targets import Output, check_targets
from surgery.training.layers import output_names
from surgery.training.place import Field

LOOKED_AT = 4096
"""Examples that are looked at in one go."""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What the report says about a set of examples."""

    examples: int
    classes: Mapping[int, int] = field(default_factory=dict)
    """How often each class index occurs; empty where targets are no classes."""


def check_data(examples: Examples, model: Any, losses: Sequence[str | None] | None, place: Field) -> list[SurgeryError]:
    """What keeps a model from taking these examples.

    Args:
        examples: The examples.
        model: The Keras model.
        losses: The loss of each output in Keras' snake case, where it is known; targets are checked against it.
        place: The source's keys in the recipe.
    """
    errors = [error for facts, tensor in _paired(examples, model) if (error := _input_error(facts, tensor))]
    if not errors:
        errors += _unusable_values(examples)
    outputs = outputs_of(model)
    if len(outputs) != len(examples.targets):
        what = f"{len(examples.targets)} arrays of targets, and the model has {len(outputs)} outputs"
        errors.append(DataInvalid(what, expected=f"one for each of {', '.join(o.name for o in outputs)}"))
    else:
        errors += [
            error
            for target, output, loss in zip(examples.targets, outputs, losses or [None] * len(outputs), strict=True)
            if (error := check_targets(target, output, loss))
        ]
    for error in errors:
        error.field = error.field or place
    return errors


def check_stage(
    stage: Stage, model: Any, has_validation: bool, place: Field, own: Mapping[int, str] | None = None
) -> list[SurgeryError]:
    """What keeps a stage from doing what it seems to do: a loss that the last activation does not suit, a metric to
    watch that nobody measures.

    Args:
        stage: The stage.
        model: What it trains, with the outputs that there are targets for.
        has_validation: Whether there are validation examples.
        place: Where it stands.
        own: The names of metrics of one's own, by their place.
    """
    errors: list[SurgeryError] = []
    for output in outputs_of(model):
        if error := loss_error(stage.loss_of(output.name), output.name, output.activation, output.units):
            error.field = (*place, *stage.loss_keys(output.name))
            errors.append(error)
    signals = signals_of(stage, output_names(model), has_validation=has_validation, own=own)
    for error in stage_errors(stage, signals):
        error.field = (*place, *error.field)
        errors.append(error)
    return errors


def check_batch_size(batch_size: int, examples: int, place: Field) -> list[SurgeryError]:
    """Refuses a batch that the examples never fill."""
    if batch_size <= examples:
        return []
    return [
        DataInvalid(
            f"batch_size is {batch_size}, and there are {examples} examples",
            expected=f"at most {examples}",
            fix=f"batch_size: {examples}",
            field=(*place, "batch_size"),
        )
    ]


def facts_of(examples: Examples) -> DataFacts:
    """How many examples there are, and how many of each class."""
    target = examples.targets[0]
    if target.dtype.kind not in "iu" or target.size != len(examples):
        return DataFacts(len(examples))
    values, counts = np.unique(target, return_counts=True)
    return DataFacts(len(examples), dict(zip(values.tolist(), counts.tolist(), strict=True)))


def outputs_of(model: Any) -> list[Output]:
    """The outputs of a Keras model as values."""
    import keras

    tensors = keras.tree.flatten(model.outputs)
    return [
        Output(name, tuple(tensor.shape), _activation(tensor._keras_history.operation))
        for name, tensor in zip(output_names(model), tensors, strict=True)
    ]


def _paired(examples: Examples, model: Any) -> list[tuple[TensorFacts, Any]]:
    return list(zip(examples.inputs, model.inputs, strict=True))


def _input_error(facts: TensorFacts, tensor: Any) -> SurgeryError | None:
    wanted, given = tuple(tensor.shape)[1:], facts.shape
    if not takes(wanted, given):
        return DataInvalid(
            f"an example of '{facts.name}' has the shape {shape_text(given)}, and '{tensor.name}' takes {shape_text(wanted)}",
            expected=f"arrays of {shape_text((None, *wanted))}, the examples first",
            fix=reshaping(wanted, given),
        )
    if (facts.dtype == "string") != (str(tensor.dtype) == "string"):
        return DataInvalid(
            f"'{facts.name}' holds {facts.dtype}", expected=f"{tensor.dtype}, which '{tensor.name}' takes"
        )
    return None


def _unusable_values(examples: Examples) -> list[SurgeryError]:
    """NaN and infinity in the inputs as the model would get them."""
    if not examples.may_hold_nan:
        return []
    for start in range(0, len(examples), LOOKED_AT):
        batch = examples.take(np.arange(start, min(start + LOOKED_AT, len(examples))))[0]
        arrays: tuple[Array, ...] = batch if isinstance(batch, tuple) else (batch,)
        for array, facts in zip(arrays, examples.inputs, strict=True):
            if array.dtype.kind != "f":  # one of several inputs, of text or whole numbers
                continue
            bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
            if bad.any():
                first = start + int(np.argmax(bad))
                return [
                    DataInvalid(
                        f"'{facts.name}' holds NaN or infinity, first in example {first}",
                        expected="finite numbers",
                        fix="leave those examples out, or fill the gaps",
                    )
                ]
    return []


def _activation(layer: Any) -> str | None:
    """The name of a layer's activation; None where it cannot be told."""
    if type(layer).__name__ == "Softmax":
        return "softmax"
    function = getattr(layer, "activation", None)
    return getattr(function, "__name__", None)
