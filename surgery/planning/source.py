"""The model that a recipe starts from, as a spec with every shape proved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from surgery.errors import ModelInvalid
from surgery.model.archive import read_model
from surgery.model.prove import Ask, prove
from surgery.model.spec import ModelSpec
from surgery.model.weights import Stored, shape_text
from surgery.planning.ledger import variables
from surgery.planning.plan import Source
from surgery.recipe import Recipe
from surgery.recipe.source import ApplicationModel, FactoryModel, FileModel, PresetModel

Materialize = Callable[[Recipe], Path]
"""Has Keras write the model of an application, preset or factory to a file, and says which."""


def open_source(recipe: Recipe, materialize: Materialize | None, ask: Ask | None) -> Source:
    """Reads the recipe's source model.

    Raises:
        FileMissing, ModelInvalid, ModelUnsupported: when it cannot be read.
    """
    match recipe.model:
        case FileModel(path=path):
            file, described = recipe.resolve(path), path
        case ApplicationModel(application=name) | PresetModel(preset=name) | FactoryModel(factory=name):
            if materialize is None:
                raise ModelInvalid(
                    f"'{name}' is made by Keras, which is not at hand", fix="pip install 'keras-surgery[tensorflow]'"
                )
            file, described = materialize(recipe), name
    return Source(file, described, _with_origins(read_proved(file, ask)))


def read_proved(path: Path, ask: Ask | None = None, *, lenient: bool = False) -> ModelSpec:
    """A saved model with the shapes and variables that its layers have, checked against what the file stores."""
    spec = prove(read_model(path), ask, again=True, lenient=lenient)
    for layer_path, _, _, weight in variables(spec):
        stored = weight.source
        if not isinstance(stored, Stored):
            raise ModelInvalid(
                f"{path.name} stores no {weight.name} for '{layer_path}'",
                expected=f"{shape_text(weight.shape)}, as the layer's config says",
                fix="save the model again with the Keras that made it",
            )
        if stored.shape != weight.shape:
            raise ModelInvalid(
                f"{path.name} stores the {weight.name} of '{layer_path}' as {shape_text(stored.shape)}",
                expected=f"{shape_text(weight.shape)}, as the layer's config says",
                fix="save the model again with the Keras that made it",
            )
    return spec


def _with_origins(model: ModelSpec, prefix: str = "") -> ModelSpec:
    """The model with every layer knowing where it comes from, whatever it is called later."""
    layers = tuple(
        replace(
            layer,
            origin=prefix + layer.name,
            inner=_with_origins(layer.inner, f"{prefix}{layer.name}/") if layer.inner else None,
        )
        for layer in model.layers
    )
    return replace(model, layers=layers)
