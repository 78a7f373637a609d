"""What training batches have that others have not: augmentation, weights of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.errors import DataInvalid
from surgery.model.keras_object import LayerObject
from surgery.training.data.augmentation import Augmentation, check_augmentation
from surgery.training.data.class_weight import weighted
from surgery.training.data.examples import ArrayExamples
from surgery.training.data.order import Batches
from surgery.training.setting import StageWork
from surgery.training.stages import train
from tests.training import small

pytestmark = pytest.mark.keras

ALL = {"hidden": True, "norm": True, "drop": True, "head": True}
NOISE = (LayerObject("GaussianNoise", {"stddev": 1.0}),)
FLIP = (LayerObject("RandomFlip", {"mode": "horizontal"}),)


def with_targets(y: Any, weight: Any = None) -> ArrayExamples:
    y = np.asarray(y)
    return ArrayExamples((np.zeros((len(y), 8), "float32"),), (y,), ("x",), None, weight)


def test_augmentation_depends_on_stage_epoch_and_batch_alone() -> None:
    x = np.random.default_rng(0).normal(size=(8, 6, 6, 1)).astype("float32")
    augment = Augmentation(FLIP, 3)
    once = [augment(*place, x) for place in (("a", 0, 0), ("a", 0, 1), ("a", 1, 0), ("b", 0, 0))]
    again = [Augmentation(FLIP, 3)(*place, x) for place in (("b", 0, 0), ("a", 1, 0), ("a", 0, 1), ("a", 0, 0))]
    assert small.same(once, again[::-1])
    assert len({values.tobytes() for values in once}) == 4
    assert Augmentation(FLIP, 4)("a", 0, 0, x).tobytes() != once[0].tobytes()


def test_training_batches_are_varied_and_validation_is_not(tmp_path: Path) -> None:
    data = small.examples(32)
    batches = Batches(data, 16, None, lambda epoch, batch, x, y: (x + 1 + epoch, y))
    batches.start(1)
    assert np.allclose(batches[1][0], data.x[0][16:] + 2)
    losses = []
    for augmentation in (None, Augmentation(NOISE, 3)):
        model = small.model()
        stage = small.stage(epochs=1, optimizer={"SGD": {"learning_rate": 0.0}})
        frozen = dict.fromkeys(ALL, False) | {"head": True}
        setting = small.setting(tmp_path, data, augmentation=augmentation)
        losses.append(train(model, [StageWork(stage, frozen)], setting).history.stages[0].epochs[0].metrics)
    assert losses[0]["val_loss"] == losses[1]["val_loss"]
    assert losses[0]["loss"] != losses[1]["loss"]


def test_augmentation_that_changes_the_shape_is_refused() -> None:
    (error,) = check_augmentation((LayerObject("Flatten", {}),), image_examples(), ())
    assert error.what == "augmentation makes (36,) of (6, 6, 1)"
    assert check_augmentation(FLIP, image_examples(), ()) == []


def image_examples() -> ArrayExamples:
    return ArrayExamples((np.zeros((4, 6, 6, 1), "float32"),), (np.zeros(4, "int64"),), ("x",))


@pytest.mark.parametrize("y", [[0, 1, 1, 1], [[0], [1], [1], [1]], [[1, 0], [0, 1], [0, 1], [0, 1]]])
def test_balanced_classes_weigh_the_same(y: Any) -> None:
    examples = weighted(with_targets(y), small.stage(class_weight="balanced"), ())
    assert examples.take(np.arange(4))[2] == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])


def test_the_weight_of_a_class_is_multiplied_with_that_of_the_sample() -> None:
    examples = weighted(with_targets([0, 1], np.array([1.0, 3.0])), small.stage(class_weight=(1.0, 5.0)), ())
    assert examples.take(np.arange(2))[2] == pytest.approx([1, 15])


@pytest.mark.parametrize(("y", "text"), [([0, 1, 2], "labels go up to 2"), ([0.5, 0.1], "no classes")])
def test_weights_for_other_classes_are_refused(y: Any, text: str) -> None:
    with pytest.raises(DataInvalid, match=text):
        weighted(with_targets(y), small.stage(class_weight=(1.0, 5.0)), ("training",))


def test_class_weights_are_those_of_keras(tmp_path: Path) -> None:
    data, stage = small.examples(32), small.stage(epochs=1, class_weight=(0.5, 1.0, 4.0))
    ours, theirs = small.model(), small.model()
    frozen = dict.fromkeys(ALL, False) | {"head": True}
    theirs.get_layer("hidden").trainable = theirs.get_layer("norm").trainable = False
    for model in (ours, theirs):
        model.get_layer("drop").rate = 0.0
    train(ours, [StageWork(stage, frozen)], small.setting(tmp_path, data, shuffle=False))
    theirs.compile(keras.optimizers.Adam(0.01), small.LOSS)
    theirs.fit(data.x[0], data.y[0], batch_size=16, shuffle=False, class_weight={0: 0.5, 1: 1.0, 2: 4.0}, verbose=0)
    assert small.weights(ours)[-2] == pytest.approx(small.weights(theirs)[-2], abs=1e-6)


def test_adapting_moves_statistics_alone(tmp_path: Path) -> None:
    model = small.model()
    before = small.weights(model.get_layer("norm"))
    train(model, [StageWork(small.stage(), ALL, adapted=("norm",))], small.setting(tmp_path))
    moved = [a.tobytes() != b.tobytes() for a, b in zip(before, small.weights(model.get_layer("norm")), strict=True)]
    assert moved == [False, False, True, True]
    train(model, [StageWork(small.stage("next"), ALL)], small.setting(tmp_path))
    moved = [a.tobytes() != b.tobytes() for a, b in zip(before, small.weights(model.get_layer("norm")), strict=True)]
    assert moved == [True, True, True, True]


def test_accumulation_clipping_and_averaging_work_in_a_stage(tmp_path: Path) -> None:
    data = small.examples(32)
    frozen = dict.fromkeys(ALL, False) | {"head": True}
    for arguments in ({"gradient_accumulation_steps": 2}, {"clipnorm": 0.1}, {"use_ema": True, "ema_momentum": 0.5}):
        plain, special = small.model(), small.model()
        for model, extra in ((plain, {}), (special, arguments)):
            stage = small.stage(epochs=1, optimizer={"SGD": {"learning_rate": 0.5, **extra}})
            assert train(model, [StageWork(stage, frozen)], small.setting(tmp_path, data)).failure is None
        assert small.weights(plain)[-2].tobytes() != small.weights(special)[-2].tobytes()


def test_accumulation_over_two_batches_is_one_batch_of_both(tmp_path: Path) -> None:
    data = small.examples(32)
    frozen = dict.fromkeys(ALL, False) | {"head": True}
    results = []
    for size, extra in ((32, {}), (16, {"gradient_accumulation_steps": 2})):
        model = small.model()
        model.get_layer("drop").rate = 0.0
        stage = small.stage(epochs=3, optimizer={"SGD": {"learning_rate": 0.5, **extra}})
        train(model, [StageWork(stage, frozen)], small.setting(tmp_path, data, batch_size=size))
        results.append(small.weights(model)[-2])
    assert results[0] == pytest.approx(results[1], abs=1e-5)


def test_early_stopping_leaves_the_best_weights(tmp_path: Path) -> None:
    """With a far too high rate each epoch is worse than the first, whose weights a stage of one epoch has."""
    stopping = {"EarlyStopping": {"monitor": "val_loss", "patience": 2, "restore_best_weights": True}}
    results = []
    for epochs, callbacks in ((1, ()), (9, (stopping,))):
        model = small.model()
        stage = small.stage(epochs=epochs, callbacks=callbacks, optimizer={"SGD": {"learning_rate": 3.0}})
        outcome = train(model, [StageWork(stage, ALL)], small.setting(tmp_path))
        results.append(small.weights(model))
    epochs_run = outcome.history.stages[0].epochs
    losses = [epoch.metrics["val_loss"] for epoch in epochs_run]
    assert losses.index(min(losses)) == 0, losses
    assert len(epochs_run) == 3
    assert small.same(*([w for w in r if w.dtype.kind == "f"] for r in results))


def test_a_dict_of_inputs_with_text_is_trained_on(tmp_path: Path) -> None:
    """Keras refuses a tuple for a dict that is not in the order of its keys, and text that is in an array of NumPy."""
    words = keras.Input((1,), dtype="string", name="words")
    numbers = keras.Input((2,), name="numbers")
    found = keras.layers.Embedding(4, 3)(keras.layers.StringLookup(vocabulary=["a", "b", "c"])(words))
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(found), numbers])
    model = keras.Model({"words": words, "numbers": numbers}, keras.layers.Dense(2, activation="softmax")(joined))
    generator = np.random.default_rng(0)
    x = (generator.normal(size=(32, 2)).astype("float32"), generator.choice(["a", "b"], (32, 1)))
    data = ArrayExamples(x, ((x[1][:, 0] == "a").astype("int64"),), ("numbers", "words"))
    flags = {layer.name: True for layer in model.layers}
    (record,) = train(model, [StageWork(small.stage(epochs=8), flags)], small.setting(tmp_path, data)).history.stages
    assert record.epochs[-1].metrics["loss"] < record.epochs[0].metrics["loss"]
    assert "val_accuracy" in record.epochs[-1].metrics


def photos(targets: np.ndarray) -> ArrayExamples:
    random = np.random.default_rng(0)
    return ArrayExamples((random.uniform(0, 255, (4, 8, 8, 3)).astype("float32"),), (targets,), ("image",))


LABELS, MASKS = np.arange(4), np.zeros((4, 8, 8), dtype="int64")


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_layers_that_mix_examples_leave_their_labels_behind(name: str) -> None:
    (error,) = check_augmentation((LayerObject(name, {}),), photos(LABELS), ())
    assert error.what.startswith(f"{name} mixes examples, and their targets would stay as they are")
    assert error.field == ("training", "data", "augmentation", 0)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("RandomFlip", {}),
        ("RandomRotation", {"factor": 0.5}),
        ("RandomTranslation", {"height_factor": 0.5, "width_factor": 0.5}),
        ("RandomZoom", {"height_factor": 0.5}),
    ],
)
def test_layers_that_move_what_is_in_an_image_leave_masks_behind(name: str, config: dict[str, Any]) -> None:
    (error,) = check_augmentation((LayerObject(name, config),), photos(MASKS), ())
    assert "the targets, a map of it, would stay" in error.what
    assert check_augmentation((LayerObject(name, config),), photos(LABELS), ()) == []


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("RandomBrightness", {"factor": 0.2}),
        ("RandomContrast", {"factor": 0.2}),
        ("GaussianNoise", {"stddev": 0.1}),
        ("RandomHue", {"factor": 0.2}),
        ("RandomErasing", {}),
    ],
)
def test_layers_that_only_change_colours_are_fine_with_either(name: str, config: dict[str, Any]) -> None:
    for targets in (LABELS, MASKS):
        assert check_augmentation((LayerObject(name, config),), photos(targets), ()) == []
