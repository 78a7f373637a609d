"""Augmentation varies the targets with the inputs, or the plan refuses it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import surgery
from surgery.cli.main import run
from surgery.errors import SurgeryError, flatten
from surgery.model import catalogue
from surgery.model.keras_object import LayerObject
from surgery.planning.augmentation import MIXES, MOVES, MOVES_ALONE
from surgery.training.data.augmentation import Augmentation, check_augmentation
from surgery.training.data.examples import ArrayExamples
from surgery.training.data.one_hot import OneHot

pytestmark = pytest.mark.keras

STRONG: dict[str, dict[str, Any]] = {
    "RandomRotation": {"factor": 0.5},
    "RandomTranslation": {"height_factor": 0.4, "width_factor": 0.4},
    "RandomZoom": {"height_factor": 0.5},
    "RandomShear": {"x_factor": 0.5, "y_factor": 0.5},
    "RandomPerspective": {"factor": 1.0, "scale": 1.0},
    "RandomElasticTransform": {"factor": 1.0, "scale": 1.0},
    **{key: {"height": 16, "width": 16} for key in ("RandomCrop", "CenterCrop", "Resizing")},
    **{key: {"factor": 0.5} for key in ("RandomBrightness", "RandomContrast", "RandomHue", "RandomSaturation")},
    **{key: {"factor": 0.5} for key in ("RandomColorDegeneration", "RandomSharpness")},
    "RandomPosterization": {"factor": 4},
    "MaxNumBoundingBoxes": {"max_number": 3},
}
PLACES = (np.arange(3 * 16 * 16) % 251).reshape(3, 16, 16, 1)
"""Each pixel tells where it was."""


def of_nearest(name: str) -> LayerObject:
    """A layer that varies much, and takes pixels from where they were without making new ones."""
    takes = inspect.signature(getattr(keras.layers, name).__init__).parameters
    config = STRONG.get(name, {}) | ({"interpolation": "nearest"} if "interpolation" in takes else {})
    return LayerObject(name, config)


def moved(name: str, channels: int, mask: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    images = np.repeat(PLACES.astype("float32"), channels, axis=-1)
    return Augmentation([of_nearest(name)], 7, (), ["mask"]).together("all", epoch, 0, images, mask)


@pytest.mark.parametrize("name", sorted(MOVES))
def test_masks_move_along_bit_for_bit(name: str) -> None:
    how_often = 0
    for epoch in range(6):
        for channels, dtype in ((1, "int64"), (3, "uint8"), (3, "float32")):
            images, masks = moved(name, channels, PLACES[..., 0].astype(dtype), epoch)
            assert masks.dtype == dtype
            assert masks.tobytes() == images[..., 0].astype(dtype).tobytes()
            how_often += masks.tobytes() != PLACES.astype(dtype).tobytes()
    assert (how_often > 0) == name.startswith("Random") or name == "RandomCrop"


@pytest.mark.parametrize("name", sorted(MOVES_ALONE))
def test_masks_that_keras_moves_otherwise_are_refused(name: str) -> None:
    """The reason for the refusal: when this fails, Keras has mended it."""
    differ = 0
    for epoch in range(8):
        layer = of_nearest(name)
        made = getattr(keras.layers, name)(**layer.config, seed=epoch)(
            {"images": PLACES.astype("float32"), "segmentation_masks": PLACES.astype("float32")}, training=True
        )
        differ += not np.array_equal(made["images"], made["segmentation_masks"])
    assert differ


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in catalogue.names("layers")
        if hasattr(getattr(keras.layers, name), "transform_labels")
        and name
        not in MIXES | MOVES | MOVES_ALONE | {"RandomGrayscale", "ContrastLimitedAdaptiveHistogramEqualization"}
    ],
)
def test_every_other_layer_of_keras_leaves_masks_and_labels_alone(name: str) -> None:
    images, labels = np.repeat(PLACES.astype("float32"), 3, axis=-1), np.eye(3, dtype="float32")
    layer = getattr(keras.layers, name)(**STRONG.get(name, {}))
    for _ in range(6):
        made = layer(
            {"images": images, "segmentation_masks": PLACES.astype("float32"), "labels": labels}, training=True
        )
        assert np.array_equal(made["segmentation_masks"], PLACES)
        assert np.array_equal(made["labels"], labels)


@pytest.mark.parametrize("name", sorted(MIXES))
@pytest.mark.parametrize("shape", [(8, 8), (8,), (8, 1), (8, 2, 3)])
def test_labels_are_mixed_as_the_images_are(name: str, shape: tuple[int, ...]) -> None:
    """Every image has one value, every label the same: so it is afterwards, to what the area of a box is rounded."""
    numbers = np.arange(8, dtype="float32")
    if shape == (8, 8):
        labels = np.eye(8, dtype="float32")
    else:
        labels = np.broadcast_to(numbers.reshape(8, *[1] * (len(shape) - 1)), shape).astype("float32")
    images = np.broadcast_to(numbers[:, None, None, None], (8, 64, 64, 3)).astype("float32")
    augment = Augmentation([LayerObject(name, {})], 3)
    mixed, answers = augment.together("all", 0, 0, images, labels)
    assert answers.shape == shape
    assert mixed.tobytes() != images.tobytes()
    found = answers @ numbers if shape == (8, 8) else answers.reshape(8, -1).mean(axis=1)
    assert found == pytest.approx(mixed.mean(axis=(1, 2, 3)), abs=1e-4 if name == "MixUp" else 0.4)
    assert augment("all", 0, 0, images).tobytes() == mixed.tobytes()


def test_several_targets_go_each_their_way() -> None:
    x = PLACES.astype("float32")
    y = (np.arange(3), PLACES[..., 0], np.stack([PLACES[..., 0], PLACES[..., 0] + 1], axis=-1))
    layers = [LayerObject("RandomBrightness", {"factor": 0.1}), of_nearest("RandomFlip")]
    images, (labels, one, two) = Augmentation(layers, 1, (), ["label", "mask", "mask"]).together("a", 2, 0, x, y)
    assert images.shape == x.shape
    assert labels is y[0]
    assert np.array_equal(two, np.stack([one, one + 1], axis=-1))
    assert not np.array_equal(one, y[1])


def test_class_indices_become_one_hot() -> None:
    data = OneHot(ArrayExamples((np.zeros((3, 4)),), (np.array([2, 0, 1]),), ("x",)), [3])
    assert data.take(np.array([0, 2]))[1].tolist() == [[0, 0, 1], [0, 1, 0]]
    assert data.targets[0].shape == (3, 3)


def test_masks_of_another_size_are_refused() -> None:
    data = ArrayExamples((PLACES.astype("float32"),), (np.zeros((3, 8, 8)),), ("x",))
    (error,) = check_augmentation([of_nearest("RandomFlip")], data, (), ["mask"])
    assert "(8, 8) are no masks of images of (16, 16, 1)" in error.what


RECIPE = """\
surgery: 1
name: augmented
model: {path: base.keras}
operations: []
training:
  data:
    train: {npz: data.npz, x: x, y: y}
    augmentation: [LAYER]
    batch_size: 4
  stages:
    - name: all
      epochs: 2
      optimizer: SGD
      loss: LOSS
      metrics: [accuracy]
outputs: {model: out.keras}
"""
SPARSE, ONE_HOT = "sparse_categorical_crossentropy", "categorical_crossentropy"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(is_map: bool) -> None:
    layers = [keras.Input((16, 16, 1)), keras.layers.Conv2D(3, 1, activation="softmax", name="outline")]
    if not is_map:
        layers = [layers[0], keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax", name="kind")]
    keras.Sequential(layers).save("base.keras")
    masks = PLACES[..., 0] % 3
    np.savez("data.npz", x=PLACES.repeat(3, axis=0), y=masks.repeat(3, axis=0) if is_map else np.arange(9) % 3)


def written(layer: str, loss: str = SPARSE, *lines: str) -> Path:
    text = RECIPE.replace("LAYER", layer).replace("LOSS", loss)
    Path("recipe.yaml").write_text(
        text.replace("    batch_size", "".join(f"    {line}\n" for line in lines) + "    batch_size")
    )
    return Path("recipe.yaml")


def refused(recipe: Path) -> list[SurgeryError]:
    with pytest.raises(SurgeryError) as caught:
        surgery.plan(surgery.load_recipe(recipe))
    return flatten(caught.value)


FLIP, ROTATION = "{RandomFlip: {mode: horizontal}}", "{RandomRotation: {factor: 0.2}}"


@pytest.mark.parametrize("layer", [FLIP, ROTATION])
def test_a_recipe_says_that_its_targets_are_masks(folder: Path, layer: str) -> None:
    saved(is_map=True)
    (error,) = refused(written(layer))
    assert (error.fix, error.field) == ("targets: mask", ("training", "data", "augmentation", 0))
    assert run(["run", str(written(layer, SPARSE, "targets: mask"))]) == 0
    assert run(["run", str(written(layer, SPARSE, "targets: {outline: mask}"))]) == 0


@pytest.mark.parametrize("layer", ["{MixUp: {}}", "{CutMix: {}}", "{RandAugment: {}}", "{RandomElasticTransform: {}}"])
def test_what_cannot_move_along_is_refused_in_the_plan(folder: Path, layer: str) -> None:
    saved(is_map=True)
    assert "cannot be taken along" in refused(written(layer, ONE_HOT, "targets: mask"))[0].what


@pytest.mark.parametrize("kind", ["boxes", "points"])
def test_boxes_and_points_allow_what_does_not_move(folder: Path, kind: str) -> None:
    saved(is_map=False)
    assert f"the {kind} of 'kind' cannot be taken along" in refused(written(FLIP, SPARSE, f"targets: {kind}"))[0].what
    surgery.plan(surgery.load_recipe(written("{RandomBrightness: {factor: 0.1}}", SPARSE, f"targets: {kind}")))


@pytest.mark.parametrize("layer", ["{MixUp: {}}", "{CutMix: {}}"])
def test_mixed_labels_are_one_hot(folder: Path, layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    saved(is_map=False)
    (error,) = refused(written(layer))
    assert (error.fix, error.field) == ("loss: categorical_crossentropy", ("training", "stages", 0, "loss"))
    assert run(["run", str(written(layer, ONE_HOT))]) == 0
    assert "class indices become one-hot vectors" in capsys.readouterr().out
    recipe = written(layer, ONE_HOT)
    recipe.write_text(recipe.read_text().replace("[accuracy]", "[sparse_categorical_accuracy]"))
    assert refused(recipe)[0].fix == "metrics: [categorical_accuracy]"
    recipe.write_text(
        recipe.read_text().replace("      metrics: [sparse_categorical_accuracy]", "      class_weight: balanced")
    )
    assert "different weights" in refused(recipe)[0].what


def test_an_output_that_there_is_not(folder: Path) -> None:
    saved(is_map=False)
    (error,) = refused(written(FLIP, SPARSE, "targets: {kinds: label}"))
    assert error.fix == "did you mean 'kind'?"
