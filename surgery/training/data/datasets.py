"""What a training learns from and what it is watched on, opened and checked against the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surgery.errors import DataInvalid, InvalidValue, SurgeryError, raise_all
from surgery.model.keras_object import LossObject
from surgery.planning.augmentation import is_mixed, kinds
from surgery.recipe.data import targeted
from surgery.recipe.training import Training
from surgery.training.data.augmentation import Kinds, check_augmentation
from surgery.training.data.check import DataFacts, check_batch_size, check_data, check_stage, facts_of, outputs_of
from surgery.training.data.class_weight import weighted
from surgery.training.data.examples import Examples, Stream
from surgery.training.data.input_range import range_errors
from surgery.training.data.one_hot import one_hot
from surgery.training.data.opening import open_data, split
from surgery.training.data.stream import check_stream
from surgery.training.layers import output_names
from surgery.training.objects import live, snake_case
from surgery.training.outputs import places, with_outputs
from surgery.training.place import Field, Place

FIELD: Field = ("training", "data")


@dataclass(frozen=True)
class Datasets:
    """The examples of a training."""

    train: Examples | Stream
    validation: Examples | Stream | None
    outputs: tuple[int, ...]
    """The places of the outputs that there are targets for."""
    kinds: Kinds = ()
    """What their targets are."""

    @property
    def has_streams(self) -> bool:
        return isinstance(self.train, Stream) or isinstance(self.validation, Stream)

    def notes(self, training: Training) -> list[str]:
        """What nobody knows before it is through."""
        asked = (("train", self.train, "steps_per_epoch"), ("validation", self.validation, "validation_steps"))
        return [
            f"The {name} dataset of a factory does not say how many batches it has; one that never ends needs {key}."
            for name, data, key in asked
            if isinstance(data, Stream)
            and data.batches is None
            and not all(getattr(stage, key) for stage in training.stages)
        ]

    @property
    def facts(self) -> dict[str, DataFacts]:
        """What the report says, by `train` and `validation`. Nothing is known of a stream."""
        named = {"train": self.train, "validation": self.validation}
        return {
            name: facts_of(data) for name, data in named.items() if data is not None and not isinstance(data, Stream)
        }


def open_datasets(training: Training, model: Any, folder: Path, trust: Sequence[str], seed: int) -> Datasets:
    """Opens the data of a training, and refuses before the first step what would go wrong at one.

    Args:
        training: The training.
        model: The whole model.
        folder: What paths are relative to.
        trust: The modules whose code may be imported.
        seed: The recipe's seed.

    Raises:
        SurgeryError: One for each thing that does not fit.
    """
    data, whole = training.data, model
    outputs = places(whole, targeted(data.train), (*FIELD, "train"))
    model = with_outputs(whole, outputs)
    train = open_data(data.train, model, Place(folder, (*FIELD, "train"), trust))
    validation: Examples | Stream | None = None
    if data.validation is not None:
        validation = open_data(data.validation, model, Place(folder, (*FIELD, "validation"), trust))
    elif data.validation_split is not None:
        train, validation = _split(train, data.validation_split, seed)
    if is_mixed(data.augmentation):
        train = _one_hot(train, training, model)
        validation = None if validation is None else _one_hot(validation, training, model)
    opened = Datasets(train, validation, tuple(outputs), tuple(kinds(data, output_names(model)).values()))
    raise_all(
        _errors(training, opened, model, trust)
        + _unfit(training, opened, model, trust)
        + _unsaved(training, whole, outputs)
    )
    return opened


def _one_hot(examples: Examples | Stream, training: Training, model: Any) -> Examples | Stream:
    if isinstance(examples, Stream):
        return examples
    return one_hot(examples, outputs_of(model), loss_names(training, model)[0])


def _split(train: Examples | Stream, fraction: float, seed: int) -> tuple[Examples, Examples]:
    if isinstance(train, Stream) or len(train) < 2:
        raise DataInvalid(
            "validation_split needs at least two examples that can be told apart, and this is "
            + ("a stream of batches" if isinstance(train, Stream) else "one example"),
            expected="arrays or images; or a validation source of its own",
            fix="validation: {factory: package.module:function}",
            field=(*FIELD, "validation_split"),
        )
    return split(train, fraction, seed)


def _errors(training: Training, opened: Datasets, model: Any, trust: Sequence[str]) -> list[SurgeryError]:
    errors: list[SurgeryError] = []
    for number, stage in enumerate(training.stages):
        place: Field = ("training", "stages", number)
        own = {
            n: name
            for n, metric in enumerate(stage.metrics)
            if metric.is_custom and (name := getattr(live(metric, trust, (*place, "metrics", n)), "name", None))
        }
        errors += check_stage(stage, model, opened.validation is not None, place, own)
    sources = (("train", opened.train), ("validation", opened.validation))
    for name, data in sources:
        if data is None:
            continue
        if isinstance(data, Stream):
            of = training.data.validation if name == "validation" else training.data.train
            place = (*FIELD, name)
            errors += _unending(training, data, name) or range_errors(data, model, of or training.data.train, place)
            continue
        key = name if name == "train" or training.data.validation is not None else "train"
        found: list[SurgeryError] = []
        for losses in loss_names(training, model):
            found += check_data(data, model, losses, (*FIELD, key))
        if key == name and not found:
            source = training.data.validation if name == "validation" else training.data.train
            found = range_errors(data, model, source or training.data.train, (*FIELD, key))
        for error in found:
            if error.what not in {known.what for known in errors}:
                errors.append(error)
    if not isinstance(opened.train, Stream) and (
        training.data.drop_last or "batch_size" in training.data.model_fields_set
    ):
        errors += check_batch_size(training.data.batch_size, len(opened.train), FIELD)
    return errors + _too_many_steps(training, opened.validation)


def _unending(training: Training, data: Stream, name: str) -> list[SurgeryError]:
    """What keeps a stream from being gone through in a stage."""
    key = "steps_per_epoch" if name == "train" else "validation_steps"
    found = [
        error
        for number, stage in enumerate(training.stages)
        for error in check_stream(data, getattr(stage, key), key, ("training", "stages", number))
    ]
    for error in found:
        error.field = error.field or (*FIELD, name)
    return found


def _too_many_steps(training: Training, validation: Examples | Stream | None) -> list[SurgeryError]:
    """`validation_steps` for which there are no batches."""
    if isinstance(validation, Stream):
        return []
    batches = 0 if validation is None else -(-len(validation) // training.data.batch_size)
    return [
        InvalidValue(
            f"validation_steps is {stage.validation_steps}, and the validation has {batches or 'no'} batches",
            expected=f"at most {batches}" if batches else "validation or validation_split under training.data",
            fix="leave it out, to look at all",
            field=("training", "stages", number, "validation_steps"),
        )
        for number, stage in enumerate(training.stages)
        if (stage.validation_steps or 0) > batches
    ]


def _unfit(training: Training, opened: Datasets, model: Any, trust: Sequence[str]) -> list[SurgeryError]:
    """What asks for examples by index or for classes, and does not find them."""
    train = opened.train
    errors: list[SurgeryError] = []
    asked: dict[Field, bool] = {
        (*FIELD, "augmentation"): bool(training.data.augmentation),
        (*FIELD, "drop_last"): training.data.drop_last,
    }
    for number, stage in enumerate(training.stages):
        place: Field = ("training", "stages", number)
        asked[(*place, "class_weight")] = stage.class_weight is not None
        if not isinstance(train, Stream):
            try:
                weighted(train, stage, place)
            except SurgeryError as error:
                errors.append(error)
    if not isinstance(train, Stream):
        return errors + check_augmentation(
            training.data.augmentation, train, trust, opened.kinds, loss_names(training, model)[0]
        )
    return [
        DataInvalid(
            f"{field[-1]}, and a factory makes its own batches",
            expected="batches that the factory has prepared so",
            fix="leave it out here, and do it in the factory",
            field=field,
        )
        for field, is_asked in asked.items()
        if is_asked
    ]


def _unsaved(training: Training, whole: Any, outputs: Sequence[int]) -> list[SurgeryError]:
    """Callbacks that save what is trained, where that is not the whole model."""
    lost = [name for place, name in enumerate(output_names(whole)) if place not in outputs]
    return [
        InvalidValue(
            f"ModelCheckpoint would save the model without '{lost[0]}', which has no targets here",
            expected="targets for every output, or no ModelCheckpoint",
            fix="leave it out: the run keeps its last good weights, and EarlyStopping: {restore_best_weights: true} the best",
            field=("training", "stages", number, "callbacks", place),
        )
        for number, stage in enumerate(training.stages)
        for place, callback in enumerate(stage.callbacks)
        if lost and callback.class_name == "ModelCheckpoint"
    ]


def loss_names(training: Training, model: Any) -> list[tuple[str | None, ...]]:
    """What the losses of a model's outputs are called, in each stage that has others than the ones before."""
    outputs = output_names(model)
    return list(dict.fromkeys(tuple(loss_name(stage.loss_of(name)) for name in outputs) for stage in training.stages))


def loss_name(loss: LossObject | None) -> str | None:
    """A loss of Keras in its snake case."""
    return None if loss is None or loss.is_custom else snake_case(loss.class_name)
