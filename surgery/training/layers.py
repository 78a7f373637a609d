"""The layers of a live model by their paths, and which of them train."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import keras

from surgery.execution import lora

Trainability = tuple[str, bool]
"""A layer's path, and whether training changes it. That of a nested model holds for all its layers."""


def walk(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every layer below a model with its path, parents first; also the layers that other layers own (a wrapper's)."""
    for layer in model._layers:
        path = f"{prefix}{layer.name}"
        yield path, layer
        yield from walk(layer, f"{path}/")


def set_trainable(model: Any, changes: Iterable[Trainability]) -> None:
    """Sets flags as planned, and only those.

    Keras hands a flag down to all layers below, and a frozen parent makes a loaded model freeze its layers again. So a
    layer that trains makes its parents trainable, and their other layers keep the flags they had.
    """
    layers = list(walk(model))
    flags = {path: bool(layer.trainable) for path, layer in layers}
    for path, value in changes:
        if path not in flags:
            raise KeyError(path)
        below = [other for other in flags if other == path or other.startswith(f"{path}/")]
        flags.update(dict.fromkeys(below, value))
        if value:
            flags.update(dict.fromkeys(_parents(path), True))
    if not model.trainable and any(flags.values()):
        model.trainable = True
    for path, layer in layers:
        if layer.trainable != flags[path]:
            layer.trainable = flags[path]
        lora.hold_kernel(layer)


def hold_scale(model: Any, adapted: Collection[str]) -> None:
    """Keeps gamma and beta of some BatchNormalization layers out of training; those of all others train with their layer."""
    for path, layer in walk(model):
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            for variable in layer._trainable_variables:
                variable.trainable = path not in adapted


def changing(model: Any) -> list[Any]:
    """The variables that training may change: those of layers that train, moving averages included."""
    found: dict[int, Any] = {}
    for _, layer in walk(model):
        if layer.trainable:
            for variable in (*layer._trainable_variables, *layer._non_trainable_variables):
                found[id(variable)] = variable
    return list(found.values())


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def output_names(model: Any) -> list[str]:
    """The layers that the model's outputs come from. In Keras 3.15 a Functional model has that list, a Sequential has not."""
    names = getattr(model, "output_names", None)
    return [model.layers[-1].name] if names is None else list(names)
