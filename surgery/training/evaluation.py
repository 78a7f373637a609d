"""The same examples through the source model and through the result, and how much the result may lose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from surgery.errors import DataInvalid, GateFailed, InvalidValue, SurgeryError
from surgery.execution.users_code import code_failed
from surgery.model import catalogue
from surgery.model.keras_object import MetricObject
from surgery.model.nearest import did_you_mean
from surgery.recipe.data import DataSource, targeted
from surgery.recipe.evaluation import Evaluation
from surgery.recipe.training import Stage
from surgery.training.among import among
from surgery.training.data.check import check_data
from surgery.training.data.examples import Examples, Stream, Subset
from surgery.training.data.input_range import range_errors
from surgery.training.data.opening import open_data
from surgery.training.data.order import in_stored_order
from surgery.training.data.stream import check_stream, to_their_end
from surgery.training.frozen_prefix.shared import SharedPrefix
from surgery.training.layers import output_names
from surgery.training.objects import live
from surgery.training.outputs import for_each, places, with_outputs
from surgery.training.place import Field, Place
from surgery.training.stops import StopBetweenSteps

ROUNDING = 1e-6
"""What float32 may add to a difference of two metrics without its being a drop."""


@dataclass(frozen=True)
class Setup:
    """What every measurement needs besides its own part of the recipe.

    Args:
        folder: What paths are relative to.
        trust: The modules whose code may be imported.
        validation: The validation examples of the training, which `data: validation` stands for.
        train: Where the training examples come from, and so the validation examples' targets.
        metrics: What is measured where neither `metrics` nor `max_drop` say it.
        stage: The stage whose loss the metric `loss` is.
        shared: What evaluations compute once.
    """

    folder: Path
    trust: Sequence[str] = ()
    validation: Examples | Stream | None = None
    train: DataSource | None = None
    metrics: tuple[MetricObject, ...] = ()
    stage: Stage | None = None
    shared: SharedPrefix | None = None


@dataclass(frozen=True)
class Measurement:
    """One model on one set of examples. `failure` says why there are no values."""

    values: Mapping[str, float] = field(default_factory=dict)
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric on one set of examples, on the source model and on the result."""

    evaluation: str
    metric: str
    before: float | None
    after: float
    higher_is_better: bool
    allowed: float | None = None
    field: Field = ()

    @property
    def drop(self) -> float | None:
        """How much worse the result is; below 0 it is better."""
        if self.before is None:
            return None
        return self.before - self.after if self.higher_is_better else self.after - self.before

    @property
    def failed(self) -> bool:
        if self.allowed is None:
            return False
        return self.drop is None or not self.drop <= self.allowed + ROUNDING

    def to_json(self) -> dict[str, Any]:
        return {
            "evaluation": self.evaluation,
            "metric": self.metric,
            "before": self.before,
            "after": self.after,
            "drop": self.drop,
            "allowed": self.allowed,
            "failed": self.failed,
        }


def measure(model: Any, evaluation: Evaluation, setup: Setup, place: Field) -> Measurement:
    """The metrics of a model on the examples of an evaluation. Compiles the model for it.

    Raises:
        SurgeryError: The data cannot be opened, `max_drop` names what is not measured, or `classes` what no output has.
    """
    try:
        chosen = _chosen(evaluation, model, setup, place)
    except DataInvalid as error:
        return Measurement(failure=error.what)
    answering, outputs = with_outputs(model, chosen), [output_names(model)[number] for number in chosen]
    data = _data(evaluation, answering, setup, place)
    if errors := _misfits(evaluation, data, answering, place):
        return Measurement(failure=errors[0].what)
    if setup.shared is not None:
        rest, data = setup.shared.apart(evaluation.name, model, data, evaluation.batch_size)
        answering = answering if rest is model else with_outputs(rest, chosen)
    try:
        model = among(answering, evaluation.classes)
    except DataInvalid as error:
        error.field = (*place, "classes")
        raise
    names = _metrics(evaluation, setup)
    wants_loss = any(metric.class_name == "loss" for metric in names)
    model.compile(
        loss=_losses(outputs, setup, place) if wants_loss else _no_loss,
        metrics=for_each(
            len(chosen), lambda: [live(m, setup.trust, (*place, "metrics")) for m in names if m.class_name != "loss"]
        ),
    )
    try:
        batches = in_stored_order(data, evaluation.batch_size, model)
        steps = evaluation.steps if isinstance(data, Stream) else None
        with to_their_end() if steps is None else nullcontext():
            found = model.evaluate(batches, steps=steps, verbose=0, return_dict=True, callbacks=[StopBetweenSteps()])
    except (ValueError, TypeError) as error:
        failed = code_failed(error, setup.trust)
        return Measurement(failure=failed.what if failed else str(error).strip().splitlines()[0])
    values = {name: float(value) for name, value in found.items() if name != "loss" or wants_loss}
    _check_names(evaluation, values, place)
    return Measurement(values, {name: name != "loss" and _is_better_high(model, name) for name in values})


def misfits(model: Any, evaluation: Evaluation, setup: Setup, place: Field) -> list[SurgeryError]:
    """What keeps a model from being measured: asked of the result before it is trained."""
    answering = with_outputs(model, _chosen(evaluation, model, setup, place))
    data = _data(evaluation, answering, setup, place)
    errors = _misfits(evaluation, data, answering, place)
    if errors or isinstance(evaluation.data, str):
        return errors
    return range_errors(data, answering, evaluation.data, (*place, "data"))


def compare(evaluation: Evaluation, before: Measurement, after: Measurement, place: Field) -> list[Comparison]:
    """Metric by metric, what the result has and what the source model had.

    Raises:
        DataInvalid: The result cannot be measured.
    """
    if after.failure is not None:
        raise DataInvalid(f"{evaluation.name}: {after.failure}", field=(*place, "data"))
    return [
        Comparison(
            evaluation.name,
            metric,
            before.values.get(metric),
            value,
            after.higher_is_better[metric],
            evaluation.max_drop.get(metric),
            (*place, "max_drop", metric),
        )
        for metric, value in after.values.items()
    ]


def values_of(comparisons: Sequence[Comparison]) -> dict[str, dict[str, float]]:
    """The metrics of the result, by evaluation."""
    found: dict[str, dict[str, float]] = {}
    for one in comparisons:
        found.setdefault(one.evaluation, {})[one.metric] = one.after
    return found


def unguarded(evaluation: Evaluation, before: Measurement, place: Field) -> list[SurgeryError]:
    """A `max_drop` without a value to drop from: known before anything is trained."""
    if before.failure is None or not evaluation.max_drop:
        return []
    return [
        DataInvalid(
            f"{evaluation.name}: the source model cannot be measured: {before.failure}",
            expected="examples that the source model takes too, where there is a max_drop",
            fix="remove max_drop here, or give the data of the old task",
            field=(*place, "max_drop"),
        )
    ]


def gate_failures(comparisons: Sequence[Comparison]) -> list[SurgeryError]:
    """An error for every metric that is worse by more than the recipe allows."""
    return [
        GateFailed(
            f"{one.evaluation}: {one.metric} went from {_text(one.before)} to {_text(one.after)}, "
            f"worse by {_text(one.drop)}; {_text(one.allowed)} is allowed",
            expected=f"a drop of at most {_text(one.allowed)}; no output was written",
            fix="a smaller learning rate, fewer epochs or more frozen layers; or a larger max_drop",
            field=one.field,
        )
        for one in comparisons
        if one.failed
    ]


def _misfits(evaluation: Evaluation, data: Examples | Stream, model: Any, place: Field) -> list[SurgeryError]:
    if not isinstance(data, Stream):
        return check_data(data, model, None, (*place, "data"))
    errors = check_stream(data, evaluation.steps, "steps", place)
    for error in errors:
        error.field = error.field or (*place, "data")
    return errors


def _chosen(evaluation: Evaluation, model: Any, setup: Setup, place: Field) -> list[int]:
    """The places of the outputs that are looked at: those that there are targets for.

    Raises:
        DataInvalid: The model has not all of them.
    """
    source = setup.train if isinstance(evaluation.data, str) else evaluation.data
    return places(model, None if source is None else targeted(source), (*place, "data"))


def _data(evaluation: Evaluation, model: Any, setup: Setup, place: Field) -> Examples | Stream:
    if not isinstance(evaluation.data, str):
        data = open_data(evaluation.data, model, Place(setup.folder, (*place, "data"), setup.trust))
        return _first(data, evaluation, place)
    if setup.validation is None:
        raise InvalidValue(
            f"{evaluation.name}: data: validation, and the training has no validation examples",
            expected="validation or validation_split under training.data",
            fix="data: {npz: FILE, x: ..., y: ...}",
            field=(*place, "data"),
        )
    return _first(setup.validation, evaluation, place)


def _first(data: Examples | Stream, evaluation: Evaluation, place: Field) -> Examples | Stream:
    """The examples of the steps that are asked for.

    Raises:
        InvalidValue: There are not so many.
    """
    if evaluation.steps is None or isinstance(data, Stream):
        return data
    batches = -(-len(data) // evaluation.batch_size)
    if evaluation.steps > batches:
        raise InvalidValue(
            f"{evaluation.name}: steps is {evaluation.steps}, and there are {batches} batches of {evaluation.batch_size}",
            expected=f"at most {batches}",
            fix="leave it out, to measure all",
            field=(*place, "steps"),
        )
    return Subset(data, np.arange(min(evaluation.steps * evaluation.batch_size, len(data))))


def _metrics(evaluation: Evaluation, setup: Setup) -> tuple[MetricObject, ...]:
    """What is asked for; what `max_drop` names is measured in any case, and the loss where nothing else is."""
    asked = evaluation.metrics or (() if evaluation.max_drop else setup.metrics)
    known = {metric.config.get("name", metric.class_name) for metric in asked}
    guarded = (MetricObject(name, plain=True) for name in evaluation.max_drop if name not in known and _is_metric(name))
    return (*asked, *guarded) or (MetricObject("loss", plain=True),)


def _is_metric(name: str) -> bool:
    """Whether Keras knows a metric by that bare name."""
    return name == "loss" or name in catalogue.bare_names("metrics")


def _losses(outputs: Sequence[str], setup: Setup, place: Field) -> Any:
    found = [] if setup.stage is None else [setup.stage.loss_of(name) for name in outputs]
    losses = [loss for loss in found if loss is not None]
    if len(losses) < len(outputs):
        raise InvalidValue(
            "the loss is to be measured, and no stage of a training has one for it",
            expected="the names of metrics",
            fix="metrics: [accuracy]",
            field=place,
        )
    made = [live(loss, setup.trust, place) for loss in losses]
    return made[0] if len(made) == 1 else made


def _no_loss(target: Any, prediction: Any) -> Any:
    """Keras evaluates only with a loss, and labels that a smaller source model does not know would break a real one."""
    return keras.ops.zeros(keras.ops.shape(prediction)[:1])


def _check_names(evaluation: Evaluation, values: Mapping[str, float], place: Field) -> None:
    for name in evaluation.max_drop:
        if name not in values:
            raise InvalidValue(
                f"{evaluation.name}: max_drop names '{name}', which is not measured",
                expected=f"one of {', '.join(values)}",
                fix=did_you_mean(name, values),
                field=(*place, "max_drop", name),
            )


def _is_better_high(model: Any, name: str) -> bool:
    """The direction that Keras itself gives the metric; one without a direction counts as better when higher."""
    for metric in model.metrics:
        for one in (metric, *getattr(metric, "metrics", ())):
            if one.name == name:
                return getattr(one, "_direction", "up") != "down"
    return True


def _text(value: float | None) -> str:
    return "?" if value is None or math.isnan(value) else f"{value:.4f}"
