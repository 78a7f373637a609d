"""The gate before Keras: one file gives Keras something to make, and asks the rules of model files before."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import pytest

import surgery
from surgery.errors import ModelUnsafe, PromiseBroken
from surgery.execution import commit, keras_objects
from surgery.execution.answers import symbolic
from surgery.execution.build import build_structure
from surgery.model.config import from_config
from surgery.model.keras_object import CallbackObject, LayerObject, LossObject, OptimizerObject
from surgery.model.spec import ModelSpec, TensorSpec
from surgery.planning import make_plan
from surgery.recipe import load_recipe
from surgery.training.objects import live
from tests.networks import classifier, write_network

pytestmark = pytest.mark.keras

ROOT = Path(surgery.__file__).parent
MAKERS = {
    "deserialize",
    "deserialize_keras_object",
    "from_config",
    "load_model",
    "model_from_json",
    "clone_model",
    "get_file",
}
KINDS = {"activations", "constraints", "initializers", "layers", "losses", "metrics", "optimizers", "regularizers"}
GATED = ROOT / "execution" / "keras_objects.py"
PRINTERS = {"argument_types.py", "catalogue.py", "allowlist.py"}
"""They print the generated files from Keras, and see no recipe."""
OWN = {"from_config": "surgery.model.config"}
"""Names that surgery has too."""


def calls_of_keras(path: Path) -> Iterator[ast.Call]:
    """Calls that make an object of what they are given: deserialization, `keras.KIND.get`, classes by a computed name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("surgery")
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(attr=name) if name in MAKERS:
                yield node
            case ast.Name(id=name) if name in MAKERS and name not in own:
                yield node
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="keras"), attr=kind), attr="get") if kind in KINDS:
                yield node
            case ast.Call(func=ast.Name(id="getattr"), args=[ast.Attribute(value=ast.Name(id="keras")), *_]):
                yield node


def test_no_other_file_gives_keras_anything_to_make() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if path.name not in PRINTERS and any(calls_of_keras(path))
    }
    assert found == {"execution/keras_objects.py"}


def test_each_function_that_does_asks_the_gate_first() -> None:
    tree = ast.parse(GATED.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert {function.name for function in functions} >= {"deserialize", "instantiate", "same_as", "application"}
    for function in functions:
        asked = [
            node.lineno
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require_safe_document"
        ]
        # A name that the catalogue has is the only thing that this one passes on.
        assert asked or function.name == "optimizer_called", function.name


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a config called, were Keras given it: a function of Keras that shows that it ran."""
    called: list[str] = []
    monkeypatch.setattr(keras.config, "set_epsilon", lambda *given: called.append("set_epsilon"))
    return called


def switch() -> dict[str, Any]:
    """A model with an operation that no output needs: Keras calls the function that it names while it loads the config."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    document: dict[str, Any] = keras.saving.serialize_keras_object(keras.Model(model.inputs, model.outputs))
    document["config"]["layers"].append(
        {
            "module": "keras.src.ops.core",
            "class_name": "Switch",
            "config": {"name": "s"},
            "registered_name": "Switch",
            "name": "s",
            "inbound_nodes": [
                {
                    "args": [
                        0,
                        [
                            {
                                "module": "keras.config",
                                "class_name": "function",
                                "config": "set_epsilon",
                                "registered_name": "f",
                            }
                        ],
                        1e-7,
                    ],
                    "kwargs": {},
                }
            ],
        }
    )
    return document


def with_config(**changes: Any) -> ModelSpec:
    spec = from_config(
        keras.saving.serialize_keras_object(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    )
    layer = spec.layers[-1]
    return replace(spec, layers=(*spec.layers[:-1], replace(layer, config={**layer.config, **changes})))


def test_a_planned_model_with_a_hostile_argument_is_not_given_to_keras(calls: list[str]) -> None:
    for argument in ("quantization_config", "kernel_initializer", "activation"):
        with pytest.raises(ModelUnsafe, match=r"class-control-flow|class-function"):
            build_structure(with_config(**{argument: switch()}), seed=0)
    assert calls == []


def test_nor_a_single_layer_of_which_only_keras_knows_the_shape(calls: list[str]) -> None:
    layer = with_config(kernel_regularizer=switch()).layers[-1]
    with pytest.raises(ModelUnsafe):
        symbolic(layer, (TensorSpec((None, 2), "float32"),), layer.calls[0])
    assert calls == []


@pytest.mark.parametrize(
    "made",
    [
        lambda value: LayerObject("Rescaling", {"scale": value}),
        lambda value: LossObject("Huber", {"delta": value}),
        lambda value: OptimizerObject("SGD", {"momentum": value}),
        lambda value: CallbackObject("EarlyStopping", {"monitor": value}),
    ],
)
def test_nor_an_object_that_was_made_without_a_recipe(made: Any, calls: list[str]) -> None:
    for value in (switch(), [switch()], (switch(),), [[{"a": switch()}]], MappingProxyType(switch())):
        with pytest.raises(ModelUnsafe):
            live(made(value), (), ())
    assert calls == []


@pytest.mark.parametrize("name", ["Lambda", "TFSMLayer", "JaxLayer"])
def test_a_class_that_runs_code_is_not_made(name: str) -> None:
    with pytest.raises(ModelUnsafe):
        keras_objects.instantiate(LayerObject(name, {}), {}, ())


def test_surgery_puts_nothing_in_place_that_its_own_scan_refuses(tmp_path: Path) -> None:
    write_network(tmp_path / "model.keras", classifier())
    (tmp_path / "recipe.yaml").write_text(
        "surgery: 1\nmodel: {path: model.keras}\noperations:\n  - {op: freeze, layers: conv1}\n"
    )
    plan = make_plan(load_recipe(tmp_path / "recipe.yaml"))
    layers = tuple(
        replace(layer, config={**layer.config, "bias_regularizer": switch()}) if layer.name == "conv1" else layer
        for layer in plan.spec.layers
    )
    hostile = replace(plan, spec=replace(plan.spec, layers=layers))
    with pytest.raises(PromiseBroken, match="would be refused by surgery scan"):
        commit.apply_to_file(hostile, tmp_path / "out.keras")
    assert not (tmp_path / "out.keras").exists()
    assert [path.name for path in tmp_path.iterdir() if "stage" in path.name] == []
