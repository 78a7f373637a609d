"""How a model was compiled: surgery never looks at it, so whatever stands there refuses no model; a scan says it all the same."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import surgery
from surgery.api import apply_to_file
from surgery.errors import ModelUnsafe
from surgery.model.scan import Status, scan
from tests.hostile import HOSTILE

pytestmark = pytest.mark.keras


def focal(y: Any, p: Any) -> Any:
    import keras

    return keras.ops.mean(keras.ops.square(y - p))


def loss_of_ones_own(keras: Any) -> dict[str, Any]:
    return {"loss": focal, "metrics": [focal]}


def lambda_as_loss(keras: Any) -> dict[str, Any]:
    return {"loss": lambda y, p: keras.ops.mean(y - p)}


def registered_optimizer(keras: Any) -> dict[str, Any]:
    class Slow(keras.optimizers.SGD):
        pass

    keras.saving.register_keras_serializable("Mine")(Slow)
    return {"optimizer": Slow(0.1), "loss": "mse"}


def registered_loss_class(keras: Any) -> dict[str, Any]:
    class Focal(keras.losses.Loss):
        def call(self, y: Any, p: Any) -> Any:
            return focal(y, p)

    keras.saving.register_keras_serializable("Mine")(Focal)
    return {"optimizer": "sgd", "loss": Focal(), "metrics": ["mae"]}


COMPILED: list[Callable[[Any], dict[str, Any]]] = [
    loss_of_ones_own, lambda_as_loss, registered_optimizer, registered_loss_class,
]  # fmt: skip


def saved(path: Path, how: Callable[[Any], dict[str, Any]], *, nested: bool = False) -> Any:
    import keras

    layers = [keras.Input((3,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(1, name="head")]
    inner = model = keras.Sequential(layers, name="inner")
    if nested:
        x = keras.Input((3,))
        model = keras.Model(x, keras.layers.Dense(2, name="last")(inner(x)))
    inner.compile(**how(keras))
    with warnings.catch_warnings(action="ignore"):  # of lambdas, and of HDF5
        model.save(path)
    return model


def applied(source: Path, layers: str = "hidden") -> Any:
    import keras

    recipe = source.with_name("recipe.yaml")
    text = f"surgery: 1\nmodel: {{path: {source.name}}}\noperations:\n  - {{op: freeze, layers: {layers}}}\n"
    recipe.write_text(text, encoding="utf-8")
    result = source.with_name("result.keras")
    plan = surgery.plan(surgery.load_recipe(recipe))
    apply_to_file(plan, result)
    assert any("not carried over; nor is" in note for note in plan.notes) or layers != "hidden"
    assert scan(result).findings == ()
    return keras.models.load_model(result)


@pytest.mark.parametrize("how", COMPILED)
@pytest.mark.parametrize("name", ["source.keras", "source.h5"])
def test_the_model_is_read_and_its_result_is_clean(
    name: str, how: Callable[[Any], dict[str, Any]], tmp_path: Path
) -> None:
    model = saved(tmp_path / name, how)
    verdict = scan(tmp_path / name)
    assert verdict.is_usable
    assert verdict.findings or name == "source.h5"  # there Keras writes the name of a function as plain text
    assert all(finding.is_compiled or finding.status is Status.NOTED for finding in verdict.findings)
    made = applied(tmp_path / name)
    assert [(a == b).all() for a, b in zip(model.get_weights(), made.get_weights(), strict=True)] == [True] * 4
    assert not made.get_layer("hidden").trainable


@pytest.mark.parametrize("how", COMPILED)
def test_a_nested_model_is_no_longer_compiled_in_the_result(
    how: Callable[[Any], dict[str, Any]], tmp_path: Path
) -> None:
    saved(tmp_path / "source.keras", how, nested=True)
    assert scan(tmp_path / "source.keras").is_usable
    assert not applied(tmp_path / "source.keras", "inner/hidden").get_layer("inner").compiled
    with zipfile.ZipFile(tmp_path / "result.keras") as archive:
        assert b"compile_config" not in archive.read("config.json")


def test_a_scan_notes_names_and_refuses_code(tmp_path: Path) -> None:
    saved(tmp_path / "named.keras", loss_of_ones_own)
    named = scan(tmp_path / "named.keras")
    assert named.is_accepted
    assert {finding.code for finding in named.findings} == {"class-compiled"}
    assert "focal" in str(named.findings[0])
    saved(tmp_path / "code.keras", lambda_as_loss)
    code = scan(tmp_path / "code.keras")
    assert not code.is_accepted
    assert code.findings[0].code == "class-lambda"


def test_what_only_looks_like_it_is_refused(tmp_path: Path) -> None:
    """`compile_config` as an argument of a layer is an argument of a layer."""
    lambda_in_it = HOSTILE["lambda_in_compile_config"].build(tmp_path)
    with zipfile.ZipFile(lambda_in_it) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    layer = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense")
    layer["config"]["compile_config"] = config.pop("compile_config")
    moved = tmp_path / "moved.keras"
    with zipfile.ZipFile(moved, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else data)
    verdict = scan(moved)
    assert not verdict.is_usable
    assert {finding.code for finding in verdict.findings} == {"class-lambda"}
    with pytest.raises(ModelUnsafe):
        surgery.read_model(moved)
