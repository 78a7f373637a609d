"""Keras' own tests of `clone_model`, with ours in its place: saved, planned, every weight fresh, built.

Tensors to start from are a call of what was built. Skipped is what a recipe has no word for, Python functions that make or call
layers, and a subclassed model, whose graph is Python too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import SkipTest

import keras
import pytest
from keras.src.models import cloning_test

from surgery import api
from surgery.errors import ModelUnsafe, ModelUnsupported
from surgery.recipe import load_recipe

# Keras' own tests save models that are not built, and give inputs other names than their keys.
pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore::UserWarning")]

RECIPE = """surgery: 1
name: clone
seed: 1
model: {path: model.keras}
operations: [{op: reinitialize, layers: "**", optional: true}]
"""


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Any = None,
    call_function: Any = None,
    recursive: bool = False,
) -> Any:
    """A model of the same layers with fresh weights."""
    if clone_function or call_function or recursive:
        raise SkipTest(
            "a recipe holds no Python functions; rename, replace and insert do what these tests use them for"
        )
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        (Path(folder) / "recipe.yaml").write_text(RECIPE)
        try:
            made = api.apply(api.plan(load_recipe(Path(folder) / "recipe.yaml")))
        except (ModelUnsafe, ModelUnsupported) as error:
            raise SkipTest(f"the graph of a subclassed model is a Python function: {error.what}") from None
    if input_tensors is not None:
        made = _on(input_tensors, made)
    if model.compiled:
        made.compile_from_config(model.get_compile_config())
    return made


def _on(input_tensors: Any, made: Any) -> Any:
    """A model that begins with other tensors: those of the built one are replaced by a call."""
    try:
        if not isinstance(input_tensors, keras.KerasTensor):
            keras.tree.assert_same_structure(made.input, input_tensors)
    except ValueError as error:
        raise ValueError("`input_tensors` must have the same structure as model.input") from error
    return keras.Model(input_tensors, made(input_tensors))


@pytest.fixture(autouse=True)
def _ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloning_test, "clone_model", clone_model)


class TestOurClone(cloning_test.CloneModelTest):  # type: ignore[misc]
    """Every test of Keras'."""
