"""Recipes on Keras models, applied to a file that plain Keras loads: what a user does, and what he finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery import api
from surgery.errors import SurgeryError
from surgery.execution.commit import apply_to_file
from surgery.planning import Plan
from surgery.recipe import load_recipe

HEAD = "surgery: 1\nmodel: {path: model.keras}\noperations:\n"


def planned(folder: Path, model: Any, *operations: str) -> Plan:
    """The plan of operations, as YAML has them, on a model."""
    model.save(folder / "model.keras")
    recipe = folder / "recipe.yaml"
    recipe.write_text(HEAD + "".join(f"  - {operation}\n" for operation in operations))
    return api.plan(load_recipe(recipe))


def applied(folder: Path, model: Any, *operations: str) -> tuple[Plan, Any]:
    """The plan, and the written file as Keras loads it."""
    plan = planned(folder, model, *operations)
    apply_to_file(plan, folder / "out.keras")
    return plan, keras.models.load_model(folder / "out.keras")


def refused(folder: Path, model: Any, *operations: str) -> SurgeryError:
    """The error of the plan: with a line, what was expected and a fix."""
    with pytest.raises(SurgeryError) as caught:
        planned(folder, model, *operations)
    error = caught.value
    assert error.location is not None
    assert error.location.line > 1
    assert error.expected
    assert error.fix
    return error


def example(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Some numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def outputs(model: Any, *inputs: Any) -> list[np.ndarray[Any, Any]]:
    """What a model computes, flat."""
    made = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(keras.ops.convert_to_numpy(tensor)) for tensor in keras.tree.flatten(made)]
