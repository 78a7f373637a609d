"""A loss against what the last activation gives: probabilities of exclusive classes, of one thing each, logits, or plain numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from surgery.errors import InvalidValue, SurgeryError
from surgery.model.keras_object import LossObject
from surgery.model.spec import LayerSpec, ModelSpec, TensorRef
from surgery.planning.augmentation import class_of
from surgery.planning.plan import StagePlan
from surgery.recipe import Recipe
from surgery.recipe.data import targeted

EXCLUSIVE = frozenset({"sparse_categorical_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy"})
"""Losses that take a probability for each class, of which one holds."""
APART = frozenset({"binary_crossentropy", "binary_focal_crossentropy"})
"""Losses that take probabilities of one thing each."""
NO_PROBABILITIES = frozenset(
    {"elu", "gelu", "leaky_relu", "mish", "relu", "relu6", "selu", "silu", "softsign", "swish", "tanh"}
)
"""Activations whose values are no probabilities, and no logits either."""
PASSED_ON = frozenset({
    "ActivityRegularization", "AlphaDropout", "Cropping1D", "Cropping2D", "Cropping3D", "Dropout", "Flatten", "GaussianDropout",
    "GaussianNoise", "Identity", "Permute", "RepeatVector", "Reshape", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
    "UpSampling1D", "UpSampling2D", "UpSampling3D",
})  # fmt: skip
"""Layers whose values are those that they read."""
OF_CLASS = {"Softmax": "softmax", "ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "PReLU": "leaky_relu"}


def last_activation(model: ModelSpec, ref: TensorRef) -> tuple[str | None, int | None]:
    """The activation behind an output, and of how many units; None where it cannot be told without Keras."""
    layer = model.by_name.get(ref.layer)
    if layer is None:
        return None, None
    if layer.inner is not None:
        return last_activation(layer.inner, layer.inner.refs_out()[ref.output])
    found = _activation(layer)
    if found == "passed on":
        refs = layer.calls[ref.call].refs() if ref.call < len(layer.calls) else ()
        return last_activation(model, refs[0]) if len(refs) == 1 else (None, None)
    tensor = model.tensor(ref)
    return found, tensor.shape[-1] if tensor is not None and tensor.shape else None


def _activation(layer: LayerSpec) -> str | None:
    """That of a layer alone; `passed on` where it has none of its own and gives what it reads."""
    if not layer.is_of_keras:
        return None
    if layer.class_name in OF_CLASS:
        return OF_CLASS[layer.class_name] if layer.config.get("axis", -1) == -1 or layer.class_name == "PReLU" else None
    if layer.class_name in PASSED_ON:
        return "passed on"
    config: Any = layer.config
    if layer.class_name == "TimeDistributed":
        config = (config.get("layer") or {}).get("config") or {}
    value = config.get("activation", "unknown")
    if isinstance(value, Mapping):
        value = value.get("config") if str(value.get("module", "builtins")) in ("builtins", "keras") else "unknown"
    if value in (None, "linear"):
        return "passed on" if layer.class_name == "Activation" else "linear"
    return value if isinstance(value, str) and value != "unknown" else None


def loss_errors(recipe: Recipe, stages: Sequence[StagePlan]) -> Iterator[SurgeryError]:
    """Every loss of a stage that does not fit what it compares, with its place."""
    if recipe.training is None:
        return
    named = targeted(recipe.training.data.train)
    said: set[tuple[int, tuple[str, ...]]] = set()
    for planned in stages:
        for ref in planned.spec.refs_out():
            keys = planned.stage.loss_keys(ref.layer)
            if (named is not None and ref.layer not in named) or (planned.number, keys) in said:
                continue
            activation, units = last_activation(planned.spec, ref)
            error = loss_error(planned.stage.loss_of(ref.layer), ref.layer, activation, units)
            if error is not None:
                said.add((planned.number, keys))
                yield error.at(recipe.location("training", "stages", planned.number, *keys))


def loss_error(loss: LossObject | None, output: str, activation: str | None, units: int | None) -> SurgeryError | None:
    """What keeps a loss from meaning something.

    Args:
        loss: The loss.
        output: The layer whose output it compares.
        activation: The last activation; None where it is not known.
        units: How many units it is of.
    """
    if loss is None or activation is None:
        return None
    name = class_of(loss)
    if name in ("crossentropy", "ce"):
        name = "binary_crossentropy" if units == 1 else "categorical_crossentropy"
    softmax, sigmoid = (
        f"- {{op: reconfigure, layers: {output}, config: {{activation: {one}}}}}" for one in ("softmax", "sigmoid")
    )
    if activation == "softmax" and units == 1:
        return InvalidValue(
            f"'{output}' is a softmax of one unit, which is always 1: nothing can be learned from it",
            expected="a sigmoid, and binary_crossentropy",
            fix=sigmoid,
        )
    if name not in EXCLUSIVE | APART:
        return None
    from_logits = bool(loss.config.get("from_logits", False))
    class_name = "".join(word.capitalize() for word in name.split("_"))
    if name in EXCLUSIVE and units == 1:
        told = "binary_crossentropy" if activation == "sigmoid" else "{BinaryCrossentropy: {from_logits: true}}"
        return InvalidValue(
            f"{name} takes a probability for each class, and '{output}' has one unit",
            expected="a loss for one answer, yes or no; or a unit for each class, and softmax",
            fix=f"loss: {told}",
        )
    if activation == "linear" and not from_logits:
        return InvalidValue(
            f"{name} takes probabilities, and '{output}' has no activation, so that it gives logits",
            expected="a softmax or sigmoid at the end, or a loss that takes logits",
            fix=f"loss: {{{class_name}: {{from_logits: true}}}}",
        )
    if activation in {"softmax", "sigmoid"} and from_logits:
        return InvalidValue(
            f"{name} is told that it gets logits, and '{output}' gives probabilities ({activation})",
            expected="probabilities with from_logits: false, or an output without activation",
            fix=f"loss: {name}",
        )
    if name in EXCLUSIVE and activation == "sigmoid":
        return InvalidValue(
            f"{name} takes classes of which one holds, and '{output}' gives each of {units} a probability of its own (sigmoid)",
            expected="softmax for classes that exclude each other; binary_crossentropy for those that do not",
            fix=softmax if name.startswith("sparse") else "loss: binary_crossentropy",
        )
    if activation in NO_PROBABILITIES:
        return InvalidValue(
            f"{name} takes probabilities, and '{output}' gives the values of {activation}",
            expected="a softmax or sigmoid at the end",
            fix=softmax if name in EXCLUSIVE else sigmoid,
        )
    return None


def loss_notes(stages: Sequence[StagePlan]) -> Iterator[str]:
    """A loss that can be meant, and mostly is not."""
    for planned in stages:
        for ref in planned.spec.refs_out():
            loss, (activation, units) = planned.stage.loss_of(ref.layer), last_activation(planned.spec, ref)
            if loss is not None and class_of(loss) in APART and activation == "softmax" and (units or 0) > 1:
                yield (
                    f"Stage '{planned.name}' compares a softmax of {units} classes by {class_of(loss)}, each class by itself; "
                    "categorical_crossentropy is made for it."
                )
