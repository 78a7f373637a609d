"""Which outputs of the result the source model can teach: by the ledger, class by class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from surgery.model.carried import carried
from surgery.model.keras_object import LossObject
from surgery.model.spec import LayerSpec, ModelSpec, TensorRef, WeightSpec, join_path
from surgery.model.weights import NEW, stored_in
from surgery.recipe.training import Stage

KEEPS_CHANNELS = frozenset(
    {
        *("Activation", "Softmax", "ReLU", "LeakyReLU", "Dropout", "Identity", "Rescaling"),
        *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"),
        *("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D"),
    }
)
"""Layers without weights whose last axis is that of what they read."""

Answer = Literal["classes", "yes or no", "values"]
"""What the units of an output are: probabilities that sum to one, one of its own each, or plain numbers."""


@dataclass(frozen=True, slots=True)
class Taught:
    """An output of the result that comes from an output of the source model."""

    output: int
    """Its place among the outputs of the result."""
    teacher: int
    """The place of the other among the outputs of the source."""
    name: str
    """The layer that makes it."""
    source: str
    """The source's layer."""
    units: int
    """How many units it has."""
    columns: tuple[tuple[int, int], ...]
    """The units that both have: the place in the result, and the one in the source."""
    answer: Answer
    activations: tuple[str, str]
    """The last activation in the result, and in the source."""

    @property
    def described(self) -> str:
        part = "all" if len(self.columns) == self.units else f"{len(self.columns)} of"
        return f"{part} {self.units} units of {self.name}, from {self.source}"


def taught(source: ModelSpec, result: ModelSpec, stage: Stage) -> tuple[Taught, ...]:
    """The outputs that the source can teach, and which units of them."""
    teachers = {}
    for place, ref in enumerate(source.refs_out()):
        found = _maker(source, ref)
        if found is not None:
            teachers[found[0]] = (place, ref)
    return tuple(_pairs(source, result, teachers, stage))


def _pairs(
    source: ModelSpec, result: ModelSpec, teachers: dict[str, tuple[int, TensorRef]], stage: Stage
) -> Iterator[Taught]:
    for place, ref in enumerate(result.refs_out()):
        made, tensor = _maker(result, ref), result.tensor(ref)
        units = tensor.shape[-1] if tensor and len(tensor.shape) > 1 else None
        weight = next((w for w in made[1].weights if w.shape and w.shape[-1] == units), None) if made else None
        origin = _origin(weight) if weight else None
        if weight is None or origin not in teachers or units is None:
            continue
        teacher, read = teachers[origin]
        columns = tuple((new, old) for new, old in enumerate(carried(weight.source, weight.shape)[-1]) if old != NEW)
        activations = _activation(result, ref), _activation(source, read)
        answer = _answer(activations[0], stage.loss_of(ref.layer))
        if len(columns) > (1 if answer == "classes" else 0):
            yield Taught(place, teacher, ref.layer, read.layer, units, columns, answer, activations)


def _maker(model: ModelSpec, ref: TensorRef, inside: str = "") -> tuple[str, LayerSpec] | None:
    """The layer with weights that makes the last axis of a tensor, with its path."""
    layer = model.by_name[ref.layer]
    while not layer.weights:
        if layer.inner is not None:
            return _maker(layer.inner, layer.inner.refs_out()[ref.output], join_path(inside, layer.name))
        if layer.class_name not in KEEPS_CHANNELS or len(layer.inbound) != 1:
            return None
        layer = model.by_name[layer.inbound[0]]
    return join_path(inside, layer.name), layer


def _origin(weight: WeightSpec) -> str | None:
    """The layer of the source model whose variable it comes from, if it is one."""
    stored = list(stored_in(weight.source))
    return stored[0].path if len(stored) == 1 and not stored[0].file else None


def _activation(model: ModelSpec, ref: TensorRef) -> str:
    layer = model.by_name[ref.layer]
    if layer.inner is not None:
        return _activation(layer.inner, layer.inner.refs_out()[ref.output])
    return "softmax" if layer.class_name == "Softmax" else str(layer.config.get("activation") or "linear")


def _answer(activation: str, loss: LossObject | None) -> Answer:
    """By the last activation; of plain numbers the loss tells whether they are logits."""
    if activation == "linear" and loss is not None and loss.config.get("from_logits"):
        return "yes or no" if "binary" in loss.class_name.lower() else "classes"
    return {"softmax": "classes", "sigmoid": "yes or no"}.get(activation, "values")  # type: ignore[return-value]
