"""A PReLU as the activation of another layer: Keras 3 builds it too late to load its weights, so it becomes a layer after that one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from surgery.model.legacy.layers import SEPARABLE, WITH_KERNEL
from surgery.model.legacy.objects import Problems
from surgery.model.legacy.weights import Places
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef, WeightSpec, join_path, substitute
from surgery.model.weights import Stored

HOLDERS = WITH_KERNEL | SEPARABLE


def keep_activations(spec: ModelSpec, places: Places, problems: Problems, inside: str = "") -> tuple[ModelSpec, Places]:
    """The model in which such an activation is a layer.

    Args:
        spec: A model of Keras 1 or 2, with its weights.
        places: Where its variables are.
        problems: Gets the layers that do something else after their activation.
        inside: The path of the model, where it is a nested one.
    """
    layers: list[LayerSpec] = []
    notes, moved = list(spec.notes), dict[TensorRef, TensorRef]()
    for layer in spec.layers:
        path = join_path(inside, layer.name)
        if layer.inner:
            inner, places = keep_activations(layer.inner, places, problems, path)
            layers.append(replace(layer, inner=replace(inner, notes=())))
            notes += inner.notes
        elif layer.class_name in HOLDERS and _is_prelu(layer.config.get("activation")):
            before, after = _split(spec, layer, inside)
            layers += [before, after]
            places = {**places, (join_path(inside, after.name), "vars/0"): places[path, layer.weights[-1].key]}
            del places[path, layer.weights[-1].key]
            moved |= {
                TensorRef(layer.name, number): TensorRef(after.name, number) for number in range(len(layer.calls))
            }
            notes.append(f"'{join_path(inside, after.name)}' is put after '{path}', whose activation it was.")
        else:
            _look_inside(layer.config, path, problems)
            layers.append(layer)
    if not moved:
        return replace(spec, layers=tuple(layers), notes=tuple(notes)), places
    ends = {after.layer for after in moved.values()}
    wired = tuple(
        layer if layer.name in ends else replace(layer, calls=tuple(call.map(moved) for call in layer.calls))
        for layer in layers
    )
    return replace(spec, layers=wired, outputs=substitute(spec.outputs, moved), notes=tuple(notes)), places


def _is_prelu(activation: Any) -> bool:
    return isinstance(activation, Mapping) and activation.get("class_name") == "PReLU"


def _split(spec: ModelSpec, layer: LayerSpec, inside: str) -> tuple[LayerSpec, LayerSpec]:
    name = f"{layer.name}_prelu"
    while name in spec.by_name:
        name += "_"
    alpha = layer.weights[-1]
    path = join_path(inside, name)
    source = Stored(path, "vars/0", alpha.shape, alpha.dtype)
    weight = WeightSpec("vars/0", "alpha", alpha.shape, alpha.dtype, True, source)
    after = LayerSpec(
        name,
        "PReLU",
        {**layer.config["activation"]["config"], "name": name, "trainable": layer.trainable},
        calls=tuple(Call((TensorRef(layer.name, number),)) for number in range(len(layer.calls))),
        weights=(weight,),
    )
    before = replace(layer, config={**layer.config, "activation": "linear"}, weights=layer.weights[:-1])
    return before, after


def _look_inside(config: Mapping[str, Any], path: str, problems: Problems) -> None:
    """Finds one in a recurrent layer, a cell or a wrapper."""
    for key in ("activation", "recurrent_activation"):
        if _is_prelu(config.get(key)):
            problems.add(f"the PReLU as the {key} of '{path}'")
    for key in ("layer", "backward_layer", "cell", "cells", "layers"):
        held = config.get(key)
        for entry in held if isinstance(held, list) else [held]:
            if isinstance(entry, Mapping):
                _look_inside(entry.get("config", {}), path, problems)
