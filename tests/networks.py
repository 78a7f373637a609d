"""Small networks as specs and as files, made without Keras."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from surgery.model.archive import write_archive
from surgery.model.edits import Edit, apply_edits
from surgery.model.prove import prove
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef, TensorSpec
from surgery.model.weights import Stored
from surgery.operations import registry

PROVE = partial(prove, ask=None)


def operation(**fields: Any) -> Any:
    """An operation as a recipe writes it."""
    return registry()[fields["op"]].model_validate_json(_json(fields))


def changed(model: ModelSpec, **fields: Any) -> ModelSpec:
    """The model after one operation."""
    return apply_edits(model, operation(**fields).edits(model), PROVE)


def edits_of(model: ModelSpec, **fields: Any) -> list[Edit]:
    return list(operation(**fields).edits(model))


def empty(shape: Iterable[int | None] = (8, 8, 1), class_name: str = "Functional", name: str = "network") -> ModelSpec:
    """A model of one input called `image`."""
    batch = (None, *shape)
    image = LayerSpec(
        "image",
        "InputLayer",
        {
            "batch_shape": list(batch),
            "dtype": "float32",
            "sparse": False,
            "ragged": False,
            "name": "image",
            "optional": False,
        },
        calls=(Call(outputs=(TensorSpec(batch),)),),
    )
    return ModelSpec(
        class_name,
        name,
        (image,),
        TensorRef("image"),
        TensorRef("image"),
        config={"trainable": True},
        module="keras.src.models.functional" if class_name == "Functional" else "keras",
        registered_name="Functional" if class_name == "Functional" else None,
    )


def network(
    *layers: Mapping[str, Any], shape: Iterable[int | None] = (8, 8, 1), class_name: str = "Functional"
) -> ModelSpec:
    """A saved model of one input and these layers in a chain."""
    return as_saved(changed(empty(shape, class_name), op="append", layers=list(layers)))


def classifier(class_name: str = "Functional") -> ModelSpec:
    """image, conv1, pool1, conv2, flatten, dense, predictions."""
    return network(
        {"Conv2D": {"filters": 4, "kernel_size": 3, "activation": "relu", "name": "conv1"}},
        {"MaxPooling2D": {"name": "pool1"}},
        {"Conv2D": {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu", "name": "conv2"}},
        {"Flatten": {"name": "flatten"}},
        {"Dense": {"units": 6, "activation": "relu", "name": "dense"}},
        {"Dense": {"units": 5, "activation": "softmax", "name": "predictions"}},
        class_name=class_name,
    )


def residual() -> ModelSpec:
    """image -> stem -> left -> sum <- stem; sum -> head."""
    model = network({"Dense": {"units": 4, "name": "stem"}}, {"Dense": {"units": 4, "name": "left"}}, shape=(4,))
    model = changed(model, op="append", layers=[{"Add": {"name": "sum", "inputs": ["stem", "left"]}}])
    return as_saved(changed(model, op="append", layers=[{"Dense": {"units": 2, "name": "head"}}]))


def as_saved(model: ModelSpec, prefix: str = "") -> ModelSpec:
    """The model as if it had been read from a file: every variable is stored where it is."""
    layers = []
    for layer in model.layers:
        path = prefix + layer.name
        weights = tuple(replace(w, source=Stored(path, w.key, w.shape, w.dtype)) for w in layer.weights)
        inner = as_saved(layer.inner, f"{path}/") if layer.inner else None
        layers.append(replace(layer, weights=weights, inner=inner, origin=path))
    return replace(model, layers=tuple(layers))


def values_of(model: ModelSpec, seed: int = 1) -> dict[tuple[str, str], np.ndarray[Any, Any]]:
    """Random values for every variable."""
    random = np.random.default_rng(seed)
    return {
        (path, weight.key): random.normal(0, 0.3, weight.shape).astype(weight.dtype)
        for path, layer in model.walk()
        for weight in layer.weights
    }


def write_network(path: Path, model: ModelSpec, seed: int = 1) -> dict[tuple[str, str], np.ndarray[Any, Any]]:
    """Writes the model with random values.

    Returns:
        The values.
    """
    values = values_of(model, seed)
    write_archive(path, model, values)
    return values


def _json(fields: Mapping[str, Any]) -> str:
    import json

    return json.dumps(fields)
