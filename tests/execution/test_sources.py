"""Source models that Keras makes: applications, presets, factories."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any
from urllib.error import URLError

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from surgery import api
from surgery.errors import ExtraMissing, InvalidValue, ModelUnsafe, RunFailed, UndeclaredImport, UntrustedImport
from surgery.model.scan.preset import require_safe_preset
from surgery.recipe import load_recipe

pytestmark = pytest.mark.keras

APPLICATION = "application: MobileNetV3Small, arguments: {input_shape: [32, 32, 3], classes: 3, alpha: 0.75}"


def planned(folder: Path, source: str, trust: tuple[str, ...] = (), imports: str = "[]") -> Any:
    (folder / "recipe.yaml").write_text(f"surgery: 1\nname: test\nimports: {imports}\nmodel: {{{source}}}\n")
    return api.plan(load_recipe(folder / "recipe.yaml"), trust=trust)


def test_an_application_with_fresh_weights(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"{APPLICATION}, weights: null")
    assert any("keras.applications.MobileNetV3Small" in note for note in plan.notes)
    model = api.apply(plan)
    assert model.output_shape == (None, 3)
    again = api.apply(planned(tmp_path, f"{APPLICATION}, weights: null"))
    assert all(map(np.array_equal, model.get_weights(), again.get_weights()))


def test_an_application_with_weights_of_a_file(tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    trained = keras.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), classes=3, alpha=0.75)
    trained.save_weights(tmp_path / "mine.weights.h5")
    model = api.apply(planned(tmp_path, f"{APPLICATION}, weights: mine.weights.h5"))
    assert all(map(np.array_equal, model.get_weights(), trained.get_weights()))


@pytest.mark.filterwarnings("ignore:.input_shape. is undefined:UserWarning")
def test_an_application_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(file_utils, "urlretrieve", unreachable)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(RunFailed, match="weights of MobileNetV3Small cannot be had") as refused:
        planned(
            tmp_path,
            "application: MobileNetV3Small, weights: imagenet",
        )
    assert "weights: null" in str(refused.value)


def test_arguments_that_an_application_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="refuses its arguments"):
        planned(tmp_path, "application: MobileNetV3Small, arguments: {input_shape: [7, 7, 3]}, weights: null")


@pytest.mark.skipif(importlib.util.find_spec("keras_hub") is not None, reason="KerasHub is installed")
def test_a_preset_without_keras_hub(tmp_path: Path) -> None:
    with pytest.raises(ExtraMissing, match="keras-hub"):
        planned(tmp_path, "preset: resnet_18_imagenet")


def test_a_folder_is_scanned_before_keras_hub_is_imported(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.json").write_text('{"module": "keras.layers", "class_name": "Lambda", "config": {}}')
    with pytest.raises(ModelUnsafe, match="class-lambda"):
        planned(tmp_path, "preset: mine")


@pytest.mark.skipif(importlib.util.find_spec("keras_hub") is None, reason="KerasHub is not installed")
def test_a_preset_of_keras_hub_in_a_folder(tmp_path: Path) -> None:
    import keras_hub

    made = keras_hub.models.BertBackbone(
        vocabulary_size=20, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8, max_sequence_length=8
    )
    made.save_to_preset(str(tmp_path / "mine"))
    require_safe_preset(tmp_path / "mine")
    assert made.count_params() > 0


def test_a_factory_needs_both_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "house_models.py").write_text(
        "import keras\n\ndef small(units):\n"
        "    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, name='only')])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    source = '"factory": "house_models:small", arguments: {units: 5}'
    with pytest.raises(UntrustedImport):
        planned(tmp_path, source, (), "[house_models]")
    with pytest.raises(UndeclaredImport):
        planned(tmp_path, source, ("house_models",), "[]")
    plan = planned(tmp_path, source, ("house_models",), "[house_models]")
    assert plan.spec["only"].weights[0].shape == (3, 5)


def test_a_lambda_of_a_granted_function_is_a_layer_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numbers_of_ours.py").write_text("def doubled(x):\n    return 2 * x\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    doubled = __import__("numbers_of_ours").doubled
    chain = [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Lambda(doubled, name="doubled")]
    model = keras.Sequential([*chain, keras.layers.Dense(2, name="last")])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ModelUnsafe, match="and 1 more"):
        planned(tmp_path, "path: model.keras", ("numbers_of_ours.halved",), "[numbers_of_ours]")
    plan = planned(tmp_path, "path: model.keras", ("numbers_of_ours.doubled",), "[numbers_of_ours]")
    ours = api.apply(plan, trust=("numbers_of_ours.doubled",))
    x = np.ones((2, 4), "float32")
    assert np.array_equal(ours.predict(x, verbose=0), model.predict(x, verbose=0))
