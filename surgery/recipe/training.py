"""How the changed model is trained: the data, and stages one after the other."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from surgery.model import catalogue
from surgery.model.keras_object import CallbackObject, LayerObject, LossObject, MetricObject, OptimizerObject
from surgery.model.select import Selector
from surgery.recipe.data import DataSource
from surgery.recipe.guards import Guards
from surgery.recipe.operation import AnyOperation
from surgery.recipe.part import Part, tag

TargetKind = Literal["label", "mask", "boxes", "points"]


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

    augmentation: tuple[LayerObject, ...] = ()
    """Layers that vary the inputs of each training batch, and of no other: `[{RandomFlip: {mode: horizontal}}]`."""

    targets: TargetKind | Annotated[dict[str, TargetKind], Field(min_length=1)] | None = None
    """What the targets are, so that augmentation takes them along: a `label` stays, or is mixed as the images are; a `mask` moves
    with the image; `boxes` and `points` refuse layers that move. By output: `{outline: mask, kind: label}`. Default: labels."""

    shuffle: bool = True
    """Another order in every epoch, made from the seed and the epoch. Default true. A factory shuffles itself."""

    drop_last: bool = False
    """Leaves out the last batch of an epoch where it is smaller than `batch_size`. Default false."""


ByteSize = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?[KMGT]B$", examples=["500 MB", "1 GB"])]
"""A size in bytes: `500 MB`, in powers of 1000."""

Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class LearningRate(Part):
    """How fast some layers learn."""

    layers: Selector
    """The layers."""

    multiplier: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    """Their learning rate is this times the optimizer's: 0.1 is ten times slower. To stop them, freeze them."""


class WeightDecay(Part):
    """How strongly the weights of some layers are drawn to zero."""

    layers: Selector
    """The layers."""

    rate: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    """Their weight decay, instead of the optimizer's; 0 is none."""


class Warmup(Part):
    """How long the learning rate grows from nearly zero to its full height."""

    steps: Annotated[int, Field(ge=1)] | None = None
    """For so many steps."""

    epochs: Annotated[int, Field(ge=1)] | None = None
    """For so many epochs."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise PydanticCustomError(
                "invalid-value",
                "a warm-up lasts either steps or epochs",
                {"expected": "one of the two", "fix": "warmup: {epochs: 1}"},
            )
        return self


def _is_by_output(value: Any) -> bool:
    """Tells `{slant: mse}` from `{Huber: {delta: 2.0}}`, by what can be a loss."""
    if not isinstance(value, dict) or any(map(_may_be_loss, value)):
        return False
    return any(
        isinstance(item, (str, LossObject)) or (isinstance(item, dict) and len(item) == 1 and _may_be_loss(*item))
        for item in value.values()
    )


def _may_be_loss(key: Any) -> bool:
    return isinstance(key, str) and (">" in key or catalogue.find(LossObject.kind, key) is not None)


Losses = Annotated[
    Annotated[LossObject, Tag(tag("loss"))] | Annotated[dict[str, LossObject], Tag(tag("by output"))],
    Discriminator(lambda value: tag("by output" if _is_by_output(value) else "loss")),
]
"""One loss; or a map from output names to losses."""


class Stage(Part):
    """One part of the training: operations to begin with, then `fit` with an optimizer and a loss of its own."""

    name: str = Field(min_length=1)
    """What the stage is called in the report; each its own."""

    operations: tuple[AnyOperation, ...] = ()
    """What changes before this stage trains: mostly `freeze` and `unfreeze`."""

    gradual: tuple[Selector, ...] = ()
    """Groups of layers to unfreeze one after the other, the top one first: for each a stage of so many `epochs`."""

    batch_normalization: Literal["inference", "train", "adapt"] | None = None
    """What unfrozen BatchNormalization layers of the source model do. `train`: normalize by the batch and learn, as Keras
    does (default); `inference`: stay as they are; `adapt`: take up the new data's statistics, gamma and beta stay."""

    epochs: int = Field(ge=1)
    """How often the training goes through the samples."""

    steps_per_epoch: int | None = Field(default=None, ge=1)
    """So many steps are an epoch; the next one goes on behind them, and begins anew when the samples are through. Default: all
    samples. An endless factory needs it."""

    validation_steps: int | None = Field(default=None, ge=1)
    """Looks at so many batches of the validation samples, the first ones, after each epoch. Default: all. An endless factory needs
    it."""

    optimizer: OptimizerObject
    """The optimizer, with its arguments: `{Adam: {learning_rate: 0.001}}`. Its schedule begins anew in every stage."""

    optimizer_state: Literal["carry", "fresh"] | None = None
    """Whether what the optimizer keeps beside each variable goes on. Default: from stage to stage, where both have the same
    optimizer; in the first stage it is fresh, and `carry` takes it from the source file."""

    learning_rates: tuple[LearningRate, ...] = ()
    """Layers that learn slower or faster than the optimizer says; of two that match a layer the later one holds."""

    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Times this for each layer with a weight matrix between a layer and the output: 0.8 lets early layers learn slower."""

    weight_decay: tuple[WeightDecay, ...] = ()
    """Layers with a weight decay of their own; of two that match a layer the later one holds."""

    warmup: Warmup | None = None
    """`{steps: 200}` or `{epochs: 1}`: the learning rate grows in equal steps to what the optimizer says."""

    loss: Losses
    """The loss: `sparse_categorical_crossentropy`, or with arguments `{Huber: {delta: 2.0}}`. For several outputs it holds for each;
    or a map says it one by one: `{digit: sparse_categorical_crossentropy, slant: mse}`."""

    loss_weights: dict[str, Weight] = Field(default_factory=dict)
    """How much the loss of each output counts, by its name. Default 1."""

    class_weight: Literal["balanced"] | Annotated[tuple[Weight, ...], Field(min_length=2)] | None = None
    """How much an example of each class counts in the loss: `[1.0, 5.0]`; `balanced`: the rarer, the more."""

    metrics: tuple[MetricObject, ...] = ()
    """What is measured on the way: `[accuracy]`."""

    callbacks: tuple[CallbackObject, ...] = ()
    """Keras callbacks, with their arguments: `[{EarlyStopping: {patience: 3}}]`."""

    def loss_keys(self, output: str) -> tuple[str, ...]:
        """The keys in the stage down to the loss of an output."""
        return ("loss", output) if isinstance(self.loss, dict) else ("loss",)

    def loss_of(self, output: str) -> LossObject | None:
        """The loss of an output, by its name. None where the map has none for it."""
        return self.losses.get(self.loss_keys(output))

    @property
    def losses(self) -> dict[tuple[str, ...], LossObject]:
        """Each loss, by its keys in the stage."""
        if isinstance(self.loss, dict):
            return {("loss", name): loss for name, loss in self.loss.items()}
        return {("loss",): self.loss}


class Cache(Part):
    """How much room the features may take that frozen layers are computed to, once for all epochs."""

    memory: ByteSize = "1 GB"
    """Up to this size they lie in memory, larger ones are read from disk. Default 1 GB, for each set of samples."""

    disk: ByteSize = "10 GB"
    """What all of them may take on disk, where the next run finds them, and as much again for stages that are done; the oldest
    go. Default 10 GB, 0 GB keeps none."""


class Training(Part):
    """The data, and the stages that train on it."""

    data: TrainingData
    """The samples for training and validation."""

    stages: tuple[Stage, ...] = Field(min_length=1)
    """The stages, in order; each goes on from the weights of the one before."""

    guards: Guards = ()
    """What keeps the stages from losing what the source model knows: `[{l2_sp: {strength: 0.01}}]`."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to train. Default auto: a GPU if there is one. `gpu` fails where there is none."""

    backend: Literal["tensorflow", "jax", "torch"] | None = None
    """What Keras computes with in a run. Default: `KERAS_BACKEND`, or what Keras' own configuration says. Another one than that of
    this process runs in a child process."""

    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    """Dtype policy to train in. A mixed one computes in 16 bits and keeps weights and outputs in float32. Default: float32."""

    cache: Cache = Field(default_factory=Cache)
    """How much room features of frozen layers may take. On a GPU they are used only where this is said."""


def byte_count(size: ByteSize) -> int:
    """`1.5 GB` as 1500000000."""
    return int(float(size[:-2]) * 1000 ** (1 + "KMGT".index(size[-2])))
