"""One case: written by Keras 2, read and written by surgery, computed by Keras 3, and compared."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surgery.errors import SurgeryError
from surgery.execution.answers import KerasAnswers
from surgery.model.archive import open_weights, read_assets, write_archive
from surgery.model.proved import read_proved
from tests.keras2.cases import Case

BATCH = 3


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    kind: str
    """`equal`, `different`, `refused`, or `error`."""
    difference: float = 0.0
    text: str = ""


def fill(model: Any, random: np.random.Generator) -> None:
    """Gives every weight random numbers, those that must be positive positive ones."""
    for weight in model.weights:
        if "int" in str(weight.dtype) or "seed" in weight.name:
            continue
        is_positive = any(word in weight.name for word in ("variance", "stddev"))
        numbers = random.uniform(0.5, 1.5, weight.shape) if is_positive else random.normal(0, 0.8, weight.shape)
        weight.assign(numbers)


def numbers(case: Case, tensor: Any, random: np.random.Generator) -> Any:
    """Values for an input."""
    shape = (tensor.shape[0] or BATCH, *(7 if n is None else n for n in tensor.shape[1:]))
    dtype = str(tensor.dtype.name)
    kind = case.kinds.get(tensor.name.partition(":")[0], case.kinds.get("*", ""))
    if kind == "tokens":
        values = random.integers(1, 9, shape)
        values[random.uniform(size=shape) < 0.3] = 0
        values[0, ..., -2:], values[1, ..., 0] = 0, 1
        return values.astype(dtype)
    if kind == "mask":
        values = random.normal(size=shape).astype(dtype)
        values[0, -2:] = 0
        values[1, 1] = 0
        return values
    if kind == "large":
        return (1000 + random.normal(size=shape)).astype(dtype)
    if dtype == "bool":
        return random.uniform(size=shape) < 0.7
    if kind == "ids" or "int" in dtype:
        return random.integers(0, 255 if dtype == "uint8" else 9, shape).astype(dtype)
    return random.normal(size=shape).astype(dtype)


def outcome(case: Case, folder: Path, suffix: str) -> Outcome:
    """Runs one case.

    Args:
        case: The case.
        folder: Where the files go.
        suffix: `.h5` or `.keras`, for what Keras 2 writes.
    """
    import tf_keras

    random = np.random.default_rng(0)
    tf_keras.backend.clear_session()
    model = case.make()
    fill(model, random)
    batch = [numbers(case, tensor, random) for tensor in model.inputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(folder / f"old{suffix}")
        expected = model(batch if len(batch) > 1 else batch[0], training=False)
    try:
        spec = read_proved(folder / f"old{suffix}", KerasAnswers().ask)
        with open_weights(folder / f"old{suffix}") as values:
            write_archive(folder / "new.keras", spec, values, assets=read_assets(folder / f"old{suffix}"))
    except SurgeryError as error:
        return Outcome("refused", text=f"{error.what}")
    try:
        found = computed(folder / "new.keras", batch)
    except Exception as error:  # noqa: BLE001 - whatever Keras raises, a file was written that does not work
        return Outcome("error", text=f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}")
    difference = compared(flat(expected), found)
    return Outcome("equal" if difference <= case.tolerance else "different", difference)


def computed(path: Path, batch: list[Any]) -> list[Any]:
    """What Keras 3 computes with a file, for values of its inputs in their order."""
    import keras

    keras.backend.clear_session()
    loaded = keras.models.load_model(path)
    tensors = [keras.ops.convert_to_tensor(values) for values in batch]
    result = loaded(tensors if len(tensors) > 1 else tensors[0], training=False)
    return [keras.ops.convert_to_numpy(value) for value in keras.tree.flatten(result)]


def flat(structure: Any) -> list[Any]:
    import tensorflow as tf

    return [np.asarray(value) for value in tf.nest.flatten(structure)]


def compared(old: list[Any], new: list[Any]) -> float:
    """The largest difference, relative to the largest value where that is over 1."""
    if [value.shape for value in old] != [value.shape for value in new]:
        return float("inf")
    worst = 0.0
    for one, other in zip(old, new, strict=True):
        if (one.dtype.kind in "iu") != (other.dtype.kind in "iu") or (
            one.dtype.kind == "f" and one.dtype != other.dtype
        ):
            return float("inf")
        if not np.array_equal(np.isnan(one), np.isnan(other)):
            return float("inf")
        largest = float(np.nanmax(np.abs(one.astype("float64")), initial=1.0))
        gap = np.nan_to_num(np.abs(one.astype("float64") - other.astype("float64")))
        worst = max(worst, float(gap.max(initial=0.0)) / largest)
    return worst
