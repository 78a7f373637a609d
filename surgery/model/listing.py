"""A model as rows: what `surgery inspect` prints and what a plan says of its result.

The types are the published JSON Schema of these documents, too.
"""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from surgery.model.calling import told_calls
from surgery.model.documented import documented
from surgery.model.spec import LayerSpec, ModelSpec, leaves

Shape = list[int | None]


@documented
class LayerRow(TypedDict):
    """One layer of `model.layers`."""

    index: int
    """Its position in `model.layers`."""
    path: str
    """Its name; in a nested model `encoder/conv1`."""
    class_name: str
    """Its Keras class."""
    output_shape: Shape | list[Shape] | None
    """The shape of its output, the batch first; a list of shapes for several outputs; null where only Keras knows."""
    parameters: int
    """How many numbers its variables hold."""
    trainable_parameters: int
    """How many of them training would change."""
    trainable: bool
    """Its flag."""
    inbound: list[str]
    """The paths of the layers that feed it."""
    calls: NotRequired[list[dict[str, Any]]]
    """The arguments of each of its calls that are no tensors and not at their default, where there are any: `training`."""
    layers: NotRequired[list[LayerRow]]
    """The layers of a nested model."""


@documented
class TensorRow(TypedDict):
    """An input or output of the model."""

    layer: str
    """The layer that gives it."""
    shape: Shape | None
    """Its shape, the batch first; null where only Keras knows."""
    dtype: str | None
    """Its dtype; null where only Keras knows."""


@documented
class Listing(TypedDict):
    """What `surgery inspect --json` prints."""

    name: str
    """The model's name."""
    class_name: str
    """Functional or Sequential."""
    layers: list[LayerRow]
    """The layers, in the order of `model.layers`."""
    parameters: int
    """How many numbers all variables hold."""
    trainable_parameters: int
    """How many of them training would change."""
    inputs: list[TensorRow]
    """The inputs, in Keras' order."""
    outputs: list[TensorRow]
    """The outputs, in Keras' order."""


def listing(model: ModelSpec) -> Listing:
    """The document of `surgery inspect --json`."""
    return {
        "name": model.name,
        "class_name": model.class_name,
        "layers": rows(model),
        "parameters": model.parameters,
        "trainable_parameters": model.trainable_parameters,
        "inputs": _tensors(model, model.inputs),
        "outputs": _tensors(model, model.outputs),
    }


def rows(model: ModelSpec, prefix: str = "") -> list[LayerRow]:
    """One row for each layer of `model.layers`; a nested model's own layers are rows inside its row."""
    return [_row(index, layer, prefix) for index, layer in enumerate(model.listed)]


def _row(index: int, layer: LayerSpec, prefix: str) -> LayerRow:
    shapes = [list(tensor.shape) for tensor in layer.outputs]
    row: LayerRow = {
        "index": index,
        "path": prefix + layer.name,
        "class_name": layer.class_name,
        "output_shape": shapes[0] if len(shapes) == 1 else shapes or None,
        "parameters": layer.parameters,
        "trainable_parameters": layer.trainable_parameters,
        "trainable": layer.trainable,
        "inbound": [prefix + name for name in layer.inbound],
    }
    if calls := told_calls(layer):
        row["calls"] = [dict(call) for call in calls]
    if layer.inner:
        row["layers"] = rows(layer.inner, f"{prefix}{layer.name}/")
    return row


def _tensors(model: ModelSpec, structure: Any) -> list[TensorRow]:
    found: list[TensorRow] = []
    for ref in leaves(structure):
        tensor = model.tensor(ref)
        shape = list(tensor.shape) if tensor else None
        found.append({"layer": ref.layer, "shape": shape, "dtype": tensor.dtype if tensor else None})
    return found
