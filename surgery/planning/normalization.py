"""What the BatchNormalization layers of the source model do in a stage that would train them.

Those that the recipe adds know no data yet, and always learn.
"""

from __future__ import annotations

from dataclasses import replace

from surgery.model.spec import ModelSpec
from surgery.recipe.training import Stage

BATCH_NORMALIZATION = "BatchNormalization"


def normalizations(model: ModelSpec) -> tuple[str, ...]:
    """The trainable BatchNormalization layers that the source model brought, by path."""
    return tuple(
        path
        for path, layer in model.walk()
        if layer.class_name == BATCH_NORMALIZATION and layer.trainable and layer.origin is not None
    )


def as_asked(stage: Stage, model: ModelSpec) -> ModelSpec:
    """The model with the flags that the stage's `batch_normalization` gives it."""
    if stage.batch_normalization != "inference":
        return model
    for path in normalizations(model):
        layer = model[path]
        model = model.with_layer(path, replace(layer, config={**layer.config, "trainable": False}))
    return model


def adapted(stage: Stage, model: ModelSpec) -> tuple[str, ...]:
    """The layers whose statistics follow the data while their gamma and beta stay."""
    return normalizations(model) if stage.batch_normalization == "adapt" else ()
