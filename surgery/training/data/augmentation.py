"""Layers that vary the inputs of training batches, and of no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from surgery.errors import DataInvalid, SurgeryError
from surgery.model.keras_object import LayerObject
from surgery.model.weights import shape_text
from surgery.planning.seeds import derived
from surgery.training.data.examples import Array, Examples
from surgery.training.objects import live
from surgery.training.place import Field

TRIES = 8
"""How often a layer is drawn that varies only some batches."""

FIELD: Field = ("training", "data", "augmentation")


class Augmentation:
    """What happens to a batch depends on the seed, the stage, the epoch and the batch, never on what ran before.

    Args:
        layers: The layers of the recipe.
        seed: The recipe's seed.
        trust: The modules whose code may be imported.
    """

    def __init__(self, layers: Sequence[LayerObject], seed: int, trust: Sequence[str] = ()) -> None:
        self._layers = [live(layer, trust, (*FIELD, number)) for number, layer in enumerate(layers)]
        self._seed = seed

    def __call__(self, stage: str, epoch: int, batch: int, x: Array) -> Array:
        """A batch of inputs, varied."""
        changed: Any = x
        for number, layer in enumerate(self._layers):
            self._set_seeds(number, layer, stage, epoch, batch)
            changed = layer(changed, training=True)
        return np.asarray(keras.ops.convert_to_numpy(changed))

    def also_varies(self, said: str, images: Array, values: Array) -> bool:
        """Whether a layer would vary what is said of the images with them, if it were handed both. Keras 3.15 varies both then.

        Args:
            said: As Keras calls it: `labels` or `segmentation_masks`.
            images: A batch of images.
            values: What is said of each.
        """
        for epoch in range(TRIES):
            for number, layer in enumerate(self._layers):
                if not hasattr(layer, "transform_labels"):
                    continue  # no layer for images
                self._set_seeds(number, layer, "", epoch, 0)
                after = layer({"images": images, said: values}, training=True)[said]
                if not np.array_equal(keras.ops.convert_to_numpy(after), values):
                    return True
        return False

    def _set_seeds(self, number: int, layer: Any, stage: str, epoch: int, batch: int) -> None:
        for index, generator in enumerate(layer._seed_generators):
            value = derived(self._seed, "augmentation", stage, epoch, batch, number, index)
            generator.state.assign(np.array([value, 0], dtype=generator.state.dtype))


def check_augmentation(layers: Sequence[LayerObject], examples: Examples, trust: Sequence[str]) -> list[SurgeryError]:
    """What keeps the layers from varying these examples."""
    if not layers:
        return []
    if len(examples.inputs) != 1:
        what = f"augmentation, and an example has {len(examples.inputs)} inputs"
        return [DataInvalid(what, expected="one input", fix="leave augmentation out", field=FIELD)]
    before = examples.take(np.arange(1))[0]
    try:
        after = Augmentation(layers, 0, trust)("", 0, 0, before)
    except SurgeryError as error:
        return [error]
    except (ValueError, TypeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return [DataInvalid(f"augmentation: {first}", expected="layers that take the inputs", field=FIELD)]
    if after.shape == before.shape:
        return _left_behind(layers, examples, trust)
    what = f"augmentation makes {shape_text(after.shape[1:])} of {shape_text(before.shape[1:])}"
    return [DataInvalid(what, expected="layers that keep the shape of an example", field=FIELD)]


def _left_behind(layers: Sequence[LayerObject], examples: Examples, trust: Sequence[str]) -> list[SurgeryError]:
    """The layers that vary inputs in a way in which the targets would have to be varied with them, and are not."""
    images = examples.take(np.arange(min(2, len(examples))))[0]
    if not isinstance(images, np.ndarray) or images.ndim != 4 or len(images) < 2:
        return []
    labels = np.eye(2, dtype="float32")
    places = np.arange(images[..., :1].size, dtype="float32").reshape(*images.shape[:3], 1)
    are_maps = any(target.shape[1:3] == images.shape[1:3] for target in examples.targets)
    errors: list[SurgeryError] = []
    for number, layer in enumerate(layers):
        alone = Augmentation([layer], 0, trust)
        if alone.also_varies("labels", images, labels):
            what = f"{layer.class_name} mixes examples, and their targets would stay as they are"
        elif are_maps and alone.also_varies("segmentation_masks", images, places):
            what = f"{layer.class_name} moves what is in an image, and the targets, a map of it, would stay as they are"
        else:
            continue
        expected = "layers after which the targets are still right"
        errors.append(DataInvalid(what, expected=expected, fix=f"leave {layer.class_name} out", field=(*FIELD, number)))
    return errors
