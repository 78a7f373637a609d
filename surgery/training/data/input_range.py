"""Whether inputs have the range that a model is used to: told by its first layers, from the real data and the real weights.

A model that begins with `Rescaling(1/255)` and gets 0 to 1, or one trained on 0 to 1 that gets 0 to 255, trains without a word, badly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from surgery.errors import DataInvalid, SurgeryError
from surgery.recipe.data import DataSource
from surgery.training.data.examples import Array, Examples, Stream
from surgery.training.data.stream import first_batch
from surgery.training.place import Field

LOOKED_AT = 32
"""Examples that are sent through the first layers."""
FARTHEST = 8
"""Layers up to which a BatchNormalization is looked for."""
FAR_OFF = 1000.0
"""How many times more or less a channel varies than the BatchNormalization behind it has learned; 255 times the inputs are 65,025."""
LARGE, SMALL = 20.0, 0.05
"""What the layers that rescale are there to make of inputs lies between."""
FACTORS = (255.0, 127.5)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a layer is given and makes of it."""

    layer: Any
    before: Array
    after: Array


def range_errors(examples: Examples | Stream, model: Any, source: DataSource, place: Field) -> list[SurgeryError]:
    """What tells that a model was made for inputs of another range; nothing where the recipe says `any_range: true`.

    Args:
        examples: The examples, as the model takes them; of a stream the first batch is looked at.
        model: The Keras model.
        source: What they come from.
        place: Its keys in the recipe.
    """
    if source.any_range or len(model.inputs) != 1:
        return []
    name, x = _some(examples)
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiu" or x.size == 0 or x.min() == x.max():
        return []
    what, factor = _rescaled(x, model) or _learned_otherwise(x, model) or ("", 1.0)
    if not what:
        return []
    return [
        DataInvalid(
            f"{name} lies between {x.min():.4g} and {x.max():.4g}, and {what}",
            expected="inputs of the range that the model is used to; any_range: true beside the file, where they are meant so",
            fix=_fix(source, factor),
            field=place,
        )
    ]


def _some(examples: Examples | Stream) -> tuple[str, Any]:
    """What to call the only input, and some examples of it; None where there are several."""
    if not isinstance(examples, Stream):
        indices = np.unique(np.linspace(0, len(examples) - 1, LOOKED_AT).astype(int))
        return f"'{examples.inputs[0].name}'", examples.take(indices)[0]
    batch = first_batch(examples)
    x = batch[0] if isinstance(batch, tuple | list) and batch else batch
    flat = keras.tree.flatten(x)
    try:
        return "the first batch", np.asarray(keras.ops.convert_to_numpy(flat[0]))[:LOOKED_AT] if len(
            flat
        ) == 1 else None
    except (ValueError, TypeError):  # ragged, or text
        return "the first batch", None


def _rescaled(x: Array, model: Any) -> tuple[str, float] | None:
    """What a model that begins with a Rescaling makes of inputs for which it is not; and by what to multiply these."""
    for seen in _opening(x, model):
        if type(seen.layer).__name__ == "Rescaling":
            low, high = float(seen.after.min()), float(seen.after.max())
            text = (
                f"the model begins with '{seen.layer.name}', a Rescaling, which makes {low:.4g} to {high:.4g} of that"
            )
            if high - low < SMALL and abs(x).max() <= 1.0:
                return text, _nearest(1.0 / np.max(np.abs(seen.layer.scale)))
            if max(abs(low), abs(high)) > LARGE:
                return text, 1.0 / _nearest(max(abs(low), abs(high)))
    return None


def _learned_otherwise(x: Array, model: Any) -> tuple[str, float] | None:
    """What the statistics of the first normalization that has learned some say of the inputs; and by what to multiply these."""
    for seen in _opening(x, model):
        if type(seen.layer).__name__ not in ("BatchNormalization", "Normalization"):
            continue
        known = _variance(seen.layer)
        if known is None:
            continue
        axis = seen.layer.axis if isinstance(seen.layer.axis, int) else seen.layer.axis[0]
        values = np.moveaxis(seen.before, axis, -1).reshape(-1, seen.before.shape[axis])
        ratio = float(values.var(axis=0).sum() / known.sum())
        if not 1 / FAR_OFF < ratio < FAR_OFF:
            much = f"{ratio:,.0f} times as much as" if ratio > 1 else f"{1 / max(ratio, 1e-30):,.0f} times less than"
            text = f"what comes of that at '{seen.layer.name}' varies {much} it has learned"
            return text, (1.0 / _nearest(math.sqrt(ratio))) if ratio > 1 else _nearest(1 / math.sqrt(max(ratio, 1e-30)))
        return None
    return None


def _variance(layer: Any) -> Array | None:
    """The variance of each channel that a layer has learned; None where it is new, or has one for more than channels."""
    name = "moving_variance" if hasattr(layer, "moving_variance") else "variance"
    value = getattr(layer, name, None)
    if value is None or (not isinstance(layer.axis, int) and len(layer.axis) != 1):
        return None
    found = np.asarray(keras.ops.convert_to_numpy(value)).reshape(-1)
    return None if (found == 1.0).all() or not found.sum() > 0 else found


def _opening(x: Array, model: Any) -> Iterator[Seen]:
    """The layers that inputs go through one after the other, until they part, with what each of them makes of these."""
    value: Any = keras.ops.convert_to_tensor(x)
    for number, layer in enumerate(_chain(model)):
        if number == FARTHEST:
            return
        try:
            made = layer(value, training=False) if layer._call_has_training_arg else layer(value)
        except (ValueError, TypeError):  # inputs of a shape that the model brings to its own
            return
        before, after = (np.asarray(keras.ops.convert_to_numpy(one)) for one in (value, made))
        yield Seen(layer, before, after)
        value = made


def _chain(model: Any) -> Iterator[Any]:
    """The layers behind the only input, nested models by their own layers, as long as there is one reader with one input."""
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            if isinstance(layer, keras.Model):
                yield from _chain(layer)
                return
            yield layer
        return
    tensor = model.inputs[0]
    while True:
        nodes = [
            node
            for operation in model.operations
            for node in operation._inbound_nodes
            if any(one is tensor for one in node.input_tensors)
        ]
        if len(nodes) != 1 or len(nodes[0].input_tensors) != 1 or len(nodes[0].outputs) != 1:
            return
        layer = nodes[0].operation
        if isinstance(layer, keras.Model):
            yield from _chain(layer)
            return
        if not isinstance(layer, keras.layers.Layer):
            return
        yield layer
        tensor = nodes[0].outputs[0]


def _nearest(factor: float) -> float:
    """255 or 127.5 where a factor is about that."""
    near = min(FACTORS, key=lambda one: abs(math.log(one / factor)))
    return near if 1 / 3 < near / factor < 3 else factor


def _fix(source: DataSource, factor: float) -> str:
    scale = getattr(source, "scale", None)
    if scale is None:
        return f"multiply them by {factor:.6g} in the factory"
    if scale != 1.0 and 1 / 3 < scale * factor < 3:
        return "leave scale out"
    if getattr(source, "preprocess", None) is not None:
        return "leave preprocess out"
    return f"scale: {scale * factor:.6g}"
