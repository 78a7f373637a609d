"""`lora` and `merge_lora` with Keras: what is trained, what a file holds, and that a merged model computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery import api
from surgery.execution.commit import apply_to_file
from surgery.model.shapes import build
from surgery.recipe import load_recipe
from tests.networks import changed, classifier, network
from tests.recipes_text import plan_of, write_recipe

pytestmark = pytest.mark.keras

RUN = """
operations:
  - {op: lora, layers: [conv2, dense], rank: 2, alpha: 4}
training:
  data:
    train: {npz: data.npz, x: x, y: y}
    batch_size: 8
  stages:
    - {name: adapt, epochs: 2, optimizer: {Adam: {learning_rate: 0.05}}, loss: sparse_categorical_crossentropy}
outputs: {model: adapted.keras}
"""


def weights(model: Any, name: str) -> dict[str, Any]:
    return {variable.name: np.asarray(variable) for variable in model.get_layer(name).variables}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and what a run with adapters made of it."""
    folder = tmp_path_factory.mktemp("lora")
    random = np.random.default_rng(0)
    np.savez(folder / "data.npz", x=random.normal(size=(32, 8, 8, 1)).astype("float32"), y=random.integers(0, 5, 32))
    api.run(load_recipe(write_recipe(folder, RUN)))
    return folder


def test_only_the_addition_is_trained(tmp_path: Path) -> None:
    model = api.apply(plan_of(tmp_path, "operations:\n  - {op: lora, layers: [conv2, dense], rank: 2, alpha: 4}\n"))
    for name in ("conv2", "dense"):
        layer = model.get_layer(name)
        assert sorted(v.name for v in layer.trainable_variables) == ["bias", "lora_kernel_a", "lora_kernel_b"]
        assert np.abs(np.asarray(layer.lora_kernel_a)).min() > 0
        assert not np.asarray(layer.lora_kernel_b).any()
        assert layer.lora_alpha == 4
    old = keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    assert np.array_equal(old.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_plan_counts_what_keras_counts(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "operations:\n  - {op: lora, layers: [conv2, dense], rank: 2}\n")
    model = api.apply(plan)
    assert plan.spec.parameters == model.count_params()
    assert plan.spec.trainable_parameters == sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ({"EinsumDense": {"equation": "abc,cd->abd", "output_shape": [None, 6], "bias_axes": "d"}}, (3, 4)),
        ({"Conv1D": {"filters": 3, "kernel_size": 2}}, (5, 4)),
    ],
)
def test_static_rules_agree(layer: dict[str, Any], shape: tuple[int, ...]) -> None:
    from surgery.execution.answers import symbolic

    name = next(iter(layer))
    model = changed(network({name: {**layer[name], "name": "it"}}, shape=shape), op="lora", layers="it", rank=2)
    spec = model["it"]
    built = build(spec, spec.calls[0].inputs, spec.calls[0])
    assert built is not None
    live, outputs = symbolic(spec, spec.calls[0].inputs, spec.calls[0])
    assert outputs == built.outputs
    assert {(v.name, tuple(v.shape), v.trainable) for v in live.variables} == {
        (v.name, v.shape, v.trainable) for v in built.variables
    }


def test_a_run_leaves_the_sum_in_the_file(folder: Path) -> None:
    old, adapted = (keras.models.load_model(folder / name) for name in ("model.keras", "adapted.keras"))
    assert not np.array_equal(weights(old, "dense")["kernel"], weights(adapted, "dense")["kernel"])
    delta = weights(adapted, "dense")["kernel"] - weights(old, "dense")["kernel"]
    assert np.linalg.matrix_rank(delta, tol=1e-4) == 2
    assert adapted.get_layer("dense").lora_rank == 2


def test_a_merged_model_computes_the_same(folder: Path, tmp_path: Path) -> None:
    recipe = folder / "merge.yaml"
    recipe.write_text(
        "surgery: 1\nname: merge\nmodel: {path: adapted.keras}\noperations:\n  - {op: merge_lora, layers: '*'}\n"
    )
    plan = api.plan(load_recipe(recipe))
    apply_to_file(plan, tmp_path / "merged.keras")
    adapted, merged = (keras.models.load_model(path) for path in (folder / "adapted.keras", tmp_path / "merged.keras"))
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    assert np.array_equal(adapted.predict(x, verbose=0), merged.predict(x, verbose=0))
    assert merged.count_params() == classifier().parameters
    assert not merged.get_layer("dense").lora_enabled
