"""Layers that vary training batches, and no others: the inputs, and the targets with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from surgery.errors import DataInvalid, SurgeryError
from surgery.model.keras_object import LayerObject
from surgery.model.weights import shape_text
from surgery.planning.augmentation import MIXES, MOVES, MOVES_ALONE
from surgery.planning.seeds import derived
from surgery.recipe.training import TargetKind
from surgery.training.data.examples import Array, Examples, packed
from surgery.training.data.targets import BINARY, SAME_SHAPE
from surgery.training.objects import live
from surgery.training.place import Field

FIELD: Field = ("training", "data", "augmentation")

Kinds = Sequence[TargetKind | None]
"""What each target is; None where the recipe does not say it."""


class Augmentation:
    """What happens to a batch depends on the seed, the stage, the epoch and the batch, never on what ran before.

    Args:
        layers: The layers of the recipe.
        seed: The recipe's seed.
        trust: The modules whose code may be imported.
        kinds: What the targets are, which move along or are mixed.
    """

    def __init__(self, layers: Sequence[LayerObject], seed: int, trust: Sequence[str] = (), kinds: Kinds = ()) -> None:
        self._layers = [live(layer, trust, (*FIELD, number)) for number, layer in enumerate(layers)]
        self._seed = seed
        self._kinds = kinds

    def __call__(self, stage: str, epoch: int, batch: int, x: Array) -> Array:
        """A batch of inputs, varied."""
        return self.together(stage, epoch, batch, x, None)[0]

    def together(self, stage: str, epoch: int, batch: int, x: Array, y: Any) -> tuple[Array, Any]:
        """A batch of inputs, varied, and its targets, moved and mixed as they are."""
        changed: Any = x
        targets = list(y) if isinstance(y, tuple) else [y]
        for number, layer in enumerate(self._layers):
            self._set_seeds(number, layer, stage, epoch, batch)
            given = {} if y is None else self._given(layer, targets)
            if not given:
                changed = layer(changed, training=True)
                continue
            parts = {"images": changed} | {word: together for word, (_, together) in given.items()}
            made = layer({word: keras.ops.convert_to_tensor(part) for word, part in parts.items()}, training=True)
            changed = made["images"]
            for word, (places, _) in given.items():
                _take_apart(targets, places, np.asarray(keras.ops.convert_to_numpy(made[word])))
        return np.asarray(keras.ops.convert_to_numpy(changed)), packed(targets)

    def _given(self, layer: Any, targets: Sequence[Array]) -> dict[str, tuple[list[int], Array]]:
        """What a layer is given beside the images, by Keras' word: the places of the targets, and these side by side."""
        name = type(layer).__name__
        is_own = hasattr(layer, "transform_labels") and not type(layer).__module__.startswith("keras.")
        of = list(zip(range(len(targets)), self._kinds, strict=True)) if self._kinds else [(0, None)]
        labels = [place for place, kind in of if kind in (None, "label")] if name in MIXES or is_own else []
        masks = [place for place, kind in of if kind == "mask"] if name in MOVES or is_own else []
        found = {"labels": labels, "segmentation_masks": masks}
        return {
            word: (places, np.concatenate([_flat(targets[place], word) for place in places], axis=-1))
            for word, places in found.items()
            if places
        }

    def _set_seeds(self, number: int, layer: Any, stage: str, epoch: int, batch: int) -> None:
        for index, generator in enumerate(layer._seed_generators):
            value = derived(self._seed, "augmentation", stage, epoch, batch, number, index)
            generator.state.assign(np.array([value, 0], dtype=generator.state.dtype))


def _flat(target: Array, word: str) -> Array:
    """A target with one last axis: of a mask its channels, of a label all its numbers."""
    axes = 3 if word == "segmentation_masks" else 1
    return target.reshape(*target.shape[:axes], -1).astype("float32")


def _take_apart(targets: list[Array], places: Sequence[int], made: Array) -> None:
    """Puts what a layer has made of targets side by side back in their places. Masks keep their dtype; a label that is mixed is a
    fraction."""
    first = 0
    for place in places:
        old = targets[place]
        width = old[0].size if made.ndim == 2 else int(np.prod(old.shape[3:], dtype=int))
        new = made[..., first : first + width].reshape(old.shape)
        targets[place] = new.astype(old.dtype) if made.ndim > 2 or old.dtype.kind == "f" else new
        first += width


def check_augmentation(
    layers: Sequence[LayerObject],
    examples: Examples,
    trust: Sequence[str],
    kinds: Kinds = (),
    losses: Sequence[str | None] = (),
) -> list[SurgeryError]:
    """What keeps the layers from varying these examples.

    Args:
        layers: The layers of the recipe.
        examples: What training learns from.
        trust: The modules whose code may be imported.
        kinds: What the targets are.
        losses: What compares each of them, in Keras' snake case where it is known.
    """
    if not layers:
        return []
    if len(examples.inputs) != 1:
        what = f"augmentation, and an example has {len(examples.inputs)} inputs"
        return [DataInvalid(what, expected="one input", fix="leave augmentation out", field=FIELD)]
    kinds, losses = kinds or [None] * len(examples.targets), losses or [None] * len(examples.targets)
    if errors := _left_behind(layers, examples, kinds, losses):
        return errors
    before, y = examples.take(np.arange(1))[:2]
    try:
        after = Augmentation(layers, 0, trust, kinds).together("", 0, 0, before, y)[0]
    except SurgeryError as error:
        return [error]
    except (ValueError, TypeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return [DataInvalid(f"augmentation: {first}", expected="layers that take the inputs", field=FIELD)]
    if after.shape == before.shape:
        return []
    what = f"augmentation makes {shape_text(after.shape[1:])} of {shape_text(before.shape[1:])}"
    return [DataInvalid(what, expected="layers that keep the shape of an example", field=FIELD)]


def _left_behind(
    layers: Sequence[LayerObject], examples: Examples, kinds: Kinds, losses: Sequence[str | None]
) -> list[SurgeryError]:
    """Layers that move or mix images, where the targets are something else than the recipe says, or would say by its silence."""
    shape = examples.inputs[0].shape
    errors: list[SurgeryError] = []
    for number, layer in enumerate(layers):
        is_mixing = layer.class_name in MIXES
        if layer.is_custom or not (is_mixing or layer.class_name in MOVES | MOVES_ALONE):
            continue
        for target, kind, loss in zip(examples.targets, kinds, losses, strict=True):
            is_map = len(shape) == 3 and target.shape[1:3] == shape[:2]
            if kind == "mask" and not is_map:
                what = f"targets of {shape_text(target.shape[1:])} are no masks of images of {shape_text(shape)}"
                fix = "targets: label"
            elif kind is None and is_map:
                act = "mixes images" if is_mixing else "moves what is in an image"
                what = f"{layer.class_name} {act}, and the targets, a map of it, would stay as they are"
                fix = f"leave {layer.class_name} out" if is_mixing else "targets: mask"
            elif is_mixing and kind in (None, "label") and loss not in SAME_SHAPE | BINARY and _are_classes(target):
                what = f"{layer.class_name} mixes examples, and their targets would stay as they are, for they are class indices"
                fix = "loss: categorical_crossentropy"
            else:
                continue
            expected = "layers after which the targets are still right"
            errors.append(DataInvalid(what, expected=expected, fix=fix, field=(*FIELD, number)))
    return errors


def _are_classes(target: Array) -> bool:
    """Whether targets are indices of more than two classes, of which there is no mean."""
    return target.dtype.kind in "iu" and target[0].size == 1 and int(target.max(initial=0)) > 1
