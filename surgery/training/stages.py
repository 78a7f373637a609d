"""The stages of a training, one after the other: flags as planned, compiled anew, fitted, recorded."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras

from surgery.errors import InvalidValue, RunFailed, SurgeryError
from surgery.execution.stopping import Stopped, deferred
from surgery.planning.prefix import WHOLE, Prefix
from surgery.planning.rates import Rate
from surgery.recipe.training import Stage
from surgery.training.augmentation import Augmentation
from surgery.training.class_weight import weighted
from surgery.training.examples import Examples, Indices, Stream
from surgery.training.features import Budget
from surgery.training.history import EpochRecord, History, StageRecord
from surgery.training.layers import hold_scale, set_trainable
from surgery.training.objects import live, live_callback
from surgery.training.order import Batches, in_stored_order, permutation
from surgery.training.place import Field
from surgery.training.progress import Progress, Quiet, StepReporter
from surgery.training.rates import Pace, paced
from surgery.training.recorder import EpochOrder, Recorder
from surgery.training.seeds import reseed_layers
from surgery.training.shortened import Shortened, shortened
from surgery.training.stops import StopBetweenSteps, StopOnNonFinite, known_failure, stop_failure


@dataclass(frozen=True)
class StageWork:
    """A stage of the recipe, and which layers train in it, as planned."""

    stage: Stage
    trainable: Mapping[str, bool]
    """The flags of layers by path; a parent comes before its layers."""
    number: int = 0
    """Its place in the recipe."""
    rates: Mapping[str, Rate] = field(default_factory=dict)
    """What the layers have that do not simply learn as the optimizer says."""
    adapted: Sequence[str] = ()
    """The BatchNormalization layers whose statistics follow the data while their gamma and beta stay."""
    prefix: Prefix = WHOLE
    """The frozen layers that are computed once for all epochs."""

    @property
    def field(self) -> Field:
        return ("training", "stages", self.number)


@dataclass(frozen=True)
class Setting:
    """What all stages share.

    Args:
        train: What training learns from.
        validation: What is looked at after each epoch.
        batch_size: Examples in a step.
        shuffle: Another order in every epoch.
        seed: The recipe's seed.
        device: `cpu` or `gpu`.
        folder: The folder of the run, in which callbacks write.
        trust: The modules whose code may be imported.
        progress: Where it says how far it is.
        augmentation: Varies the inputs of training batches.
        budget: The room for what frozen layers are computed to; without it they are computed in every step.
        precision: The dtype policy.
    """

    train: Examples | Stream
    validation: Examples | Stream | None
    batch_size: int
    shuffle: bool
    seed: int
    device: str
    folder: Path
    trust: Sequence[str] = ()
    progress: Progress | None = None
    augmentation: Augmentation | None = None
    budget: Budget | None = None
    precision: str = "float32"


@dataclass(frozen=True)
class Outcome:
    """What a training did, and what stopped it, if something did. The model then has its last good weights."""

    history: History
    failure: RunFailed | None = None


def train(model: Any, stages: Sequence[StageWork], setting: Setting) -> Outcome:
    """Trains a model in place, stage by stage, until one fails."""
    done: list[StageRecord] = []
    failure = None
    with setting.progress or Quiet() as progress:
        for work in stages:
            set_trainable(model, work.trainable.items())
            hold_scale(model, work.adapted)
            reseed_layers(model, setting.seed, work.stage.name)
            began = time.perf_counter()
            fitted = _fit(model, work, setting, progress)
            failure = fitted.failure
            done.append(_record(model, work.stage, fitted, time.perf_counter() - began))
            if failure is not None:
                break
    return Outcome(History(tuple(done)), failure)


def compile_for(model: Any, work: StageWork, trust: Sequence[str], steps: int | None = None) -> None:
    """Compiles a model for a stage: a fresh optimizer, and a training function that obeys the flags as they are now.

    Args:
        model: The model.
        work: The stage.
        trust: The modules whose code may be imported.
        steps: Those of an epoch, where they are known.
    """
    stage, place = work.stage, work.field
    optimizer = keras.optimizers.get(live(stage.optimizer, trust, (*place, "optimizer")))
    model.compile(
        optimizer=paced(optimizer, model, Pace(work.rates, warmup_steps(stage, steps, place))),
        loss=live(stage.loss, trust, (*place, "loss")),
        metrics=[live(metric, trust, (*place, "metrics", n)) for n, metric in enumerate(stage.metrics)],
    )


def warmup_steps(stage: Stage, steps: int | None, place: Field) -> int:
    """The steps of a stage's warm-up; 0 is none.

    Raises:
        InvalidValue: It lasts epochs, and nobody knows how long these are.
    """
    if stage.warmup is None:
        return 0
    if stage.warmup.steps is not None:
        return stage.warmup.steps
    if steps is None:
        raise InvalidValue(
            "a warm-up in epochs, and a factory does not say how many steps an epoch has",
            expected="a number of steps",
            fix="warmup: {steps: 100}",
            field=(*place, "warmup"),
        )
    return steps * (stage.warmup.epochs or 0)


def check_objects(work: StageWork, trust: Sequence[str]) -> list[SurgeryError]:
    """What keeps the objects of a stage from being made; asked before the first stage trains."""
    stage, place = work.stage, work.field
    errors: list[SurgeryError] = []
    with TemporaryDirectory() as folder:
        makers = [
            partial(live, stage.optimizer, trust, (*place, "optimizer")),
            partial(live, stage.loss, trust, (*place, "loss")),
            *(partial(live, one, trust, (*place, "metrics", n)) for n, one in enumerate(stage.metrics)),
            *(
                partial(live_callback, one, Path(folder), trust, (*place, "callbacks", n))
                for n, one in enumerate(stage.callbacks)
            ),
        ]
        for make in makers:
            try:
                make()
            except SurgeryError as error:
                errors.append(error)
    return errors


@dataclass(frozen=True)
class Fitted:
    """What a stage did, what stopped it, and which frozen layers were computed once."""

    records: list[EpochRecord]
    failure: RunFailed | None
    frozen_prefix: str | None


def _fit(model: Any, work: StageWork, setting: Setting, progress: Progress) -> Fitted:
    stage = work.stage
    short = shortened(
        Shortened(model, setting.train, setting.validation),
        work.prefix,
        setting.batch_size,
        setting.budget,
        *(setting.device, setting.precision),
    )
    data, steps, order = _training_batches(work, setting, short.train)
    compile_for(short.model, work, setting.trust, steps)
    progress.stage(stage.name, stage.epochs, steps)
    finite, recorder = StopOnNonFinite(stage.name, setting.device, model), Recorder(progress.epoch)
    failure = None
    try:
        with deferred():
            short.model.fit(
                data,
                epochs=stage.epochs,
                # Keras 3.15 would shuffle the batches of a PyDataset once more, by Python's global generator.
                shuffle=False,
                validation_data=in_stored_order(short.validation, setting.batch_size),
                callbacks=[
                    *(*order, finite, StopBetweenSteps(), *_callbacks(work, setting)),
                    *(recorder, StepReporter(progress)),
                ],
                verbose=0,
            )
    except Stopped as stop:
        failure = stop_failure(stop, stage.name, finite.position)
    except RunFailed as error:
        failure = error
    except Exception as error:
        failure = known_failure(error, stage.name, finite.position, setting.batch_size)
        if failure is None:
            raise
    if failure is not None:
        finite.good.restore()
    return Fitted(recorder.records, failure, short.described)


def _training_batches(
    work: StageWork, setting: Setting, train: Examples | Stream
) -> tuple[Any, int | None, list[EpochOrder]]:
    """What `fit` takes, the steps of an epoch where they are known, and the callback that orders them."""
    if isinstance(train, Stream):
        return train.source, None, []
    examples, name = weighted(train, work.stage, work.field), work.stage.name
    order = partial(_order, setting.seed, name, len(examples)) if setting.shuffle else None
    augment = None if setting.augmentation is None else partial(setting.augmentation, name)
    batches = Batches(examples, setting.batch_size, order, augment)
    return batches, batches.num_batches, [EpochOrder(batches)]


def _order(seed: int, stage: str, length: int, epoch: int) -> Indices:
    return permutation(seed, stage, epoch, length)


def _callbacks(work: StageWork, setting: Setting) -> list[Any]:
    return [
        live_callback(callback, setting.folder, setting.trust, (*work.field, "callbacks", number))
        for number, callback in enumerate(work.stage.callbacks)
    ]


def _record(model: Any, stage: Stage, fitted: Fitted, seconds: float) -> StageRecord:
    parameters = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    records = tuple(fitted.records)
    return StageRecord(stage.name, stage.epochs, records, seconds, parameters, fitted.frozen_prefix)
