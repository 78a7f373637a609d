"""A model as rows: what `surgery inspect` prints and what a plan says of its result."""

from __future__ import annotations

from typing import Any

from surgery.model.spec import LayerSpec, ModelSpec, leaves


def listing(model: ModelSpec) -> dict[str, Any]:
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


def rows(model: ModelSpec, prefix: str = "") -> list[dict[str, Any]]:
    """One row for each layer of `model.layers`; a nested model's own layers are rows inside its row."""
    return [_row(index, layer, prefix) for index, layer in enumerate(model.listed)]


def _row(index: int, layer: LayerSpec, prefix: str) -> dict[str, Any]:
    shapes = [list(tensor.shape) for tensor in layer.outputs]
    row: dict[str, Any] = {
        "index": index,
        "path": prefix + layer.name,
        "class_name": layer.class_name,
        "output_shape": shapes[0] if len(shapes) == 1 else shapes or None,
        "parameters": layer.parameters,
        "trainable_parameters": layer.trainable_parameters,
        "trainable": layer.trainable,
        "inbound": [prefix + name for name in layer.inbound],
    }
    if layer.inner:
        row["layers"] = rows(layer.inner, f"{prefix}{layer.name}/")
    return row


def _tensors(model: ModelSpec, structure: Any) -> list[dict[str, Any]]:
    found = []
    for ref in leaves(structure):
        tensor = model.tensor(ref)
        found.append(
            {
                "layer": ref.layer,
                "shape": list(tensor.shape) if tensor else None,
                "dtype": tensor.dtype if tensor else None,
            }
        )
    return found
