"""How the changed model is trained: the data, and stages one after the other."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from surgery.model.keras_object import CallbackObject, LossObject, MetricObject, OptimizerObject
from surgery.recipe.data import DataSource
from surgery.recipe.operation import AnyOperation
from surgery.recipe.part import Part


class TrainingData(Part):
    """What the stages train on, and what they are watched on."""

    train: DataSource
    """The samples that training learns from."""

    validation: DataSource | None = None
    """The samples that are looked at after each epoch and never learned from."""

    validation_split: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Instead of `validation`: the fraction of the training samples to keep aside, chosen by the recipe's seed."""

    batch_size: int = Field(default=32, ge=1)
    """Samples in a step. Default 32, as in Keras. A factory makes its own batches."""

    shuffle: bool = True
    """Another order in every epoch, made from the seed and the epoch. Default true. A factory shuffles itself."""


class Stage(Part):
    """One part of the training: operations to begin with, then `fit` with an optimizer and a loss of its own."""

    name: str = Field(min_length=1)
    """What the stage is called in the report; each its own."""

    operations: tuple[AnyOperation, ...] = ()
    """What changes before this stage trains: mostly `freeze` and `unfreeze`."""

    epochs: int = Field(ge=1)
    """How often the training goes through the samples."""

    optimizer: OptimizerObject
    """The optimizer, with its arguments: `{Adam: {learning_rate: 0.001}}`. It starts afresh in every stage."""

    loss: LossObject
    """The loss: `sparse_categorical_crossentropy`, or with arguments `{Huber: {delta: 2.0}}`."""

    metrics: tuple[MetricObject, ...] = ()
    """What is measured on the way: `[accuracy]`."""

    callbacks: tuple[CallbackObject, ...] = ()
    """Keras callbacks, with their arguments: `[{EarlyStopping: {patience: 3}}]`."""


class Training(Part):
    """The data, and the stages that train on it."""

    data: TrainingData
    """The samples for training and validation."""

    stages: tuple[Stage, ...] = Field(min_length=1)
    """The stages, in order; each goes on from the weights of the one before."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to train. Default auto: a GPU if there is one. `gpu` fails where there is none."""

    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    """Dtype policy to train in. A mixed one computes in 16 bits and keeps weights and outputs in float32. Default: float32."""
