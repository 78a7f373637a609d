"""Targets against an output of the model and the loss between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgery.errors import DataInvalid, SurgeryError
from surgery.model.weights import shape_text
from surgery.training.data.examples import Array

Shape = tuple[int | None, ...]

ONE_HOT = frozenset({"categorical_crossentropy", "categorical_focal_crossentropy", "kl_divergence"})
BINARY = frozenset({"binary_crossentropy", "binary_focal_crossentropy"})
SAME_SHAPE = frozenset(
    {
        "mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_logarithmic_error",
        "mse",
        "mae",
        "huber",
        "log_cosh",
        "poisson",
    }
)


@dataclass(frozen=True, slots=True)
class Output:
    """An output of the model: the layer that makes it, its shape with the batch, its activation where it has one."""

    name: str
    shape: Shape
    activation: str | None = None

    @property
    def units(self) -> int | None:
        return self.shape[-1]


def check_targets(target: Array, output: Output, loss: str | None) -> SurgeryError | None:
    """What keeps a loss from comparing these targets with this output."""
    if target.dtype.kind not in "biuf":
        return DataInvalid(f"targets are {target.dtype}, and losses compare numbers", expected="numbers")
    if target.dtype.kind == "f" and not np.isfinite(target).all():
        first = int(np.argmax(~np.isfinite(target.reshape(len(target), -1)).all(axis=1)))
        return DataInvalid(f"targets hold NaN or infinity, first in example {first}", expected="finite numbers")
    if loss == "sparse_categorical_crossentropy":
        return _class_indices(target, output)
    if loss in ONE_HOT:
        return _one_hot(target, output, str(loss))
    if loss in BINARY:
        return _zero_to_one(target, output, str(loss))
    return _same_shape(target, output, str(loss)) if loss in SAME_SHAPE else None


def _class_indices(target: Array, output: Output) -> SurgeryError | None:
    if target.ndim == len(output.shape) and target.shape[-1] == output.units and output.units != 1:
        return DataInvalid(
            f"targets of {shape_text(target.shape)} look one-hot, and the loss takes class indices",
            expected="one whole number for each example",
            fix="loss: categorical_crossentropy",
        )
    if not _fits(target, output.shape[1:-1]):
        return _shape_error(target, "one class index for each example", output)
    if (target != np.floor(target)).any():
        return DataInvalid("targets are not whole numbers, and the loss takes class indices", expected="0, 1, 2, ...")
    low, high, units = int(target.min()), int(target.max()), output.units
    if low < 0:
        return DataInvalid(f"labels go down to {low}, and classes count from 0", expected="labels from 0")
    if units is None or high < units:
        return None
    if low == 1 and high == units:
        return DataInvalid(
            f"labels run from 1 to {high}, and classes count from 0",
            expected=f"labels from 0 to {units - 1}",
            fix="save the labels less 1",
        )
    return DataInvalid(
        f"labels go up to {high}, and '{output.name}' has {units} units",
        expected=f"labels from 0 to {units - 1}, or a unit for each class",
        fix="loss: binary_crossentropy" if units == 1 else f"give it units: {high + 1}",
    )


def _one_hot(target: Array, output: Output, loss: str) -> SurgeryError | None:
    if target.dtype.kind in "iu" and _fits(target, output.shape[1:-1]) and output.units != 1:
        return DataInvalid(
            f"targets are class indices, and {loss} takes one-hot vectors",
            expected=f"targets of {shape_text(output.shape)}",
            fix="loss: sparse_categorical_crossentropy",
        )
    return _same_shape(target, output, loss)


def _zero_to_one(target: Array, output: Output, loss: str) -> SurgeryError | None:
    if target.min() < 0 or target.max() > 1:
        wide = output.units is not None and output.units > 1
        return DataInvalid(
            f"targets lie between {target.min():g} and {target.max():g}, and {loss} takes 0 to 1",
            expected="0 and 1",
            fix="loss: sparse_categorical_crossentropy" if wide else None,
        )
    return _same_shape(target, output, loss)


def _same_shape(target: Array, output: Output, loss: str) -> SurgeryError | None:
    if _fits(target, output.shape[1:]):
        return None
    return _shape_error(target, f"targets of {shape_text(output.shape)} for {loss}", output)


def _fits(target: Array, wanted: Shape) -> bool:
    """Whether an example's target has that shape; as in Keras a last axis of 1 may be there or not."""
    given = target.shape[1:]
    if len(given) == len(wanted) + 1 and given[-1] == 1:
        given = given[:-1]
    if len(given) == len(wanted) - 1 and wanted[-1] == 1:
        given = (*given, 1)
    return len(given) == len(wanted) and all(w in (None, g) for w, g in zip(wanted, given, strict=True))


def _shape_error(target: Array, expected: str, output: Output) -> SurgeryError:
    return DataInvalid(
        f"targets have the shape {shape_text(target.shape)}, and '{output.name}' gives {shape_text(output.shape)}",
        expected=expected,
    )
