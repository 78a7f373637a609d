"""Inputs of another range than the model is used to are an error with a fix; those that it is used to are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.cli.main import run
from surgery.errors import SurgeryError
from surgery.recipe.data import FactoryData, NpzData
from surgery.training.data.examples import ArrayExamples
from surgery.training.data.input_range import range_errors
from surgery.training.data.stream import stream_of

pytestmark = pytest.mark.keras

layers = keras.layers
PHOTOS = np.random.default_rng(0).integers(0, 256, (48, 32, 32, 3)).astype("float32")


def begins_with(*first: Any, nested: bool = False) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input((32, 32, 3))
    y = x
    for layer in first:
        y = layer(y)
    base = keras.Model(x, layers.Conv2D(4, 3)(y))
    if nested:
        x = keras.Input((32, 32, 3))
        base = keras.Model(x, base(layers.RandomFlip()(x)))
    return keras.Sequential([x, base, layers.Flatten(), layers.Dense(2)]) if nested else base


def found(model: keras.Model, photos: np.ndarray, **source: Any) -> list[SurgeryError]:
    data = ArrayExamples((photos,), (np.zeros(len(photos), "int64"),), ("photo",))
    return range_errors(data, model, NpzData(npz="a.npz", x="x", y="y", **source), ("training", "data", "train"))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("first", "right", "wrong", "fix"),
    [
        (lambda: [layers.Rescaling(1 / 255)], PHOTOS, PHOTOS / 255, "scale: 255"),
        (lambda: [layers.Rescaling(1 / 127.5, -1)], PHOTOS, PHOTOS / 255, "scale: 127.5"),
        (lambda: [layers.Rescaling(1 / 127.5, -1)], PHOTOS, PHOTOS / 127.5 - 1, "scale: 127.5"),
        (lambda: [layers.Rescaling(2.0, -1.0)], PHOTOS / 255, PHOTOS, "scale: 0.00392157"),
        (lambda: [layers.Rescaling(1.0)], PHOTOS / 255, PHOTOS, "scale: 0.00392157"),
    ],
)
def test_models_that_begin_with_a_rescaling(
    nested: bool, first: Any, right: np.ndarray, wrong: np.ndarray, fix: str
) -> None:
    model = begins_with(*first(), nested=nested)
    assert found(model, right) == []
    (error,) = found(model, wrong)
    assert "Rescaling, which makes" in error.what
    assert error.fix == fix
    assert found(model, wrong, any_range=True) == []


def test_the_fix_is_to_take_away_what_was_done_twice() -> None:
    model = begins_with(layers.Rescaling(1 / 255))
    assert found(model, PHOTOS / 255, scale=1 / 255)[0].fix == "leave scale out"
    assert found(model, PHOTOS / 255, preprocess="MobileNetV2")[0].fix == "leave preprocess out"


def trained(photos: np.ndarray) -> keras.Model:
    """A network without a Rescaling whose normalization has learned what it is used to."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.ZeroPadding2D(1),
            layers.Conv2D(8, 3, strides=2, use_bias=False),
            layers.BatchNormalization(momentum=0.0, name="bn1"),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax", name="head"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(photos, np.arange(len(photos)) % 2, batch_size=48, epochs=1, verbose=0)
    return model


@pytest.mark.parametrize(("used_to", "given", "fix"), [(255, 1, "scale: 0.00392157"), (1, 255, "scale: 255")])
def test_what_a_normalization_has_learned_tells_it_too(used_to: int, given: int, fix: str) -> None:
    model = trained(PHOTOS / used_to)
    assert found(model, PHOTOS / used_to) == []
    (error,) = found(model, PHOTOS / given)
    assert "at 'bn1' varies" in error.what
    assert error.fix == fix


def test_other_photos_are_fine() -> None:
    """Dark ones, grey ones, and others than those that the statistics are of."""
    model, generator = trained(PHOTOS / 255), np.random.default_rng(1)
    smooth = np.linspace(0, 1, 32)[None, :, None, None] * np.ones((48, 32, 32, 3))
    for photos in (PHOTOS / 2550, smooth, generator.normal(0, 1, PHOTOS.shape), np.zeros_like(PHOTOS)):
        assert found(model, photos.astype("float32")) == []


def test_a_normalization_that_has_learned_nothing_says_nothing() -> None:
    for model in (begins_with(layers.Conv2D(4, 3), layers.BatchNormalization()), begins_with(layers.ReLU())):
        for photos in (PHOTOS, PHOTOS / 255):
            assert found(model, photos) == []


@pytest.mark.parametrize("name", ["EfficientNetB0", "MobileNetV3Small", "EfficientNetV2B0", "ConvNeXtTiny"])
def test_applications_that_bring_their_preprocessing(name: str) -> None:
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), include_top=False)
    assert found(model, PHOTOS) == []
    (error,) = found(model, PHOTOS / 255)
    assert error.fix in ("scale: 255", "scale: 127.5"), error


def test_the_first_batch_of_a_stream_tells_it() -> None:
    import tensorflow as tf

    class Own(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self, photos: np.ndarray) -> None:
            super().__init__()
            self.photos = photos

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Any:
            return self.photos, np.zeros(len(self.photos))

    model, source = begins_with(layers.Rescaling(1 / 255)), FactoryData(factory="own.data:photos")
    for made in (Own, lambda photos: tf.data.Dataset.from_tensor_slices((photos, np.zeros(48))).batch(8).repeat()):
        assert range_errors(stream_of(made(PHOTOS)), model, source, ()) == []
        (error,) = range_errors(stream_of(made(PHOTOS / 255)), model, source, ())
        assert error.fix == "multiply them by 255 in the factory"
    words = tf.data.Dataset.from_tensor_slices((["a", "b"], [0, 1])).batch(2)
    assert range_errors(stream_of(words), model, source, ()) == []


RECIPE = """\
surgery: 1
name: ranges
model: {path: base.keras}
operations: [{op: freeze, layers: {to: bn1}}]
training:
  data:
    train: {npz: data.npz, x: x, y: y}
  stages:
    - {name: all, epochs: 1, optimizer: SGD, loss: sparse_categorical_crossentropy, metrics: [accuracy]}
evaluation:
  - {name: old, data: {npz: data.npz, x: x, y: y}}
outputs: {model: out.keras}
"""


def test_a_run_says_it_before_the_first_step_and_the_fix_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    trained(PHOTOS).save("base.keras")
    np.savez("data.npz", x=PHOTOS / 255, y=np.arange(48) % 2)
    Path("recipe.yaml").write_text(RECIPE)
    assert run(["run", "recipe.yaml"]) == 1
    said = capsys.readouterr().err
    assert "recipe.yaml:7:" in said
    assert "fix:      scale: 255" in said
    Path("recipe.yaml").write_text(RECIPE.replace("y: y}", "y: y, scale: 255}", 1))
    assert run(["run", "recipe.yaml"]) == 1
    assert "recipe.yaml:11:" in capsys.readouterr().err
    Path("recipe.yaml").write_text(RECIPE.replace("y: y}", "y: y, any_range: true}"))
    assert run(["run", "recipe.yaml"]) == 0
