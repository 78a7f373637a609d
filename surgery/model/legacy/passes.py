"""Goes through the layers of an old model, and of those nested in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from surgery.model.spec import LayerSpec, ModelSpec, join_path

Change = Callable[[ModelSpec, LayerSpec, str], tuple[list[LayerSpec], list[str]]]
"""Gets a model, a layer of it and that layer's path; returns what stands in its place, and what the user should know of that."""


def with_layers(spec: ModelSpec, change: Change, inside: str = "") -> ModelSpec:
    """The model with the layers that `change` puts in the place of each; the outermost model has the notes of all.

    Args:
        spec: The model.
        change: Is asked about every layer that is no model.
        inside: The path of the model, where it is a nested one.
    """
    layers: list[LayerSpec] = []
    notes = list(spec.notes)
    for layer in spec.layers:
        path = join_path(inside, layer.name)
        if layer.inner:
            inner = with_layers(layer.inner, change, path)
            layers.append(replace(layer, inner=replace(inner, notes=())))
            notes += inner.notes
        else:
            put, told = change(spec, layer, path)
            layers += put
            notes += told
    return replace(spec, layers=tuple(layers), notes=tuple(notes))
