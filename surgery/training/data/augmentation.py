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
            for index, generator in enumerate(layer._seed_generators):
                value = derived(self._seed, "augmentation", stage, epoch, batch, number, index)
                generator.state.assign(np.array([value, 0], dtype=generator.state.dtype))
            changed = layer(changed, training=True)
        return np.asarray(keras.ops.convert_to_numpy(changed))


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
        return []
    what = f"augmentation makes {shape_text(after.shape[1:])} of {shape_text(before.shape[1:])}"
    return [DataInvalid(what, expected="layers that keep the shape of an example", field=FIELD)]
