"""What a training measures, by the names that Keras logs it under; and what watches a name that nobody logs."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from surgery.errors import InvalidValue, SurgeryError
from surgery.model import catalogue
from surgery.model.configured import snake_case
from surgery.model.keras_object import CallbackObject, MetricObject
from surgery.model.nearest import nearest
from surgery.model.spec import ModelSpec
from surgery.planning.plan import StagePlan
from surgery.recipe import Recipe
from surgery.recipe.data import DataSource, targeted
from surgery.recipe.evaluation import Evaluation
from surgery.recipe.training import Stage, Training

Names = Mapping[str, MetricObject | None]
"""What is logged, with the metric that measures it; a loss has none."""

WATCHING = {
    "EarlyStopping": "val_loss",
    "ReduceLROnPlateau": "val_loss",
    "ModelCheckpoint": "val_loss",
    "OrbaxCheckpoint": "val_loss",
}
"""The callbacks of Keras that watch something, and what they do where the recipe does not say it."""
SAVING = frozenset({"ModelCheckpoint", "OrbaxCheckpoint"})
"""Those that watch only where they keep the best alone."""
LOGGING_RATE = frozenset({"LearningRateScheduler", "ReduceLROnPlateau"})
"""Those that log the learning rate."""
WITHOUT_DIRECTION = frozenset(
    {"FalseNegatives", "FalsePositives", "Mean", "MeanMetricWrapper", "Sum", "TrueNegatives", "TruePositives"}
)
"""Metrics of which Keras 3.15 does not know whether more is better."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What an epoch of a stage logs.

    Args:
        names: As far as they are known.
        has_validation: Whether all of them come with `val_` too.
        is_all: Whether nothing else can be logged; a metric of one's own has a name that only its code knows.
    """

    names: Names
    has_validation: bool
    is_all: bool = True

    def has(self, name: str) -> bool:
        base = name.removeprefix("val_")
        return base in self.names and (base == name or self.has_validation)

    @property
    def words(self) -> list[str]:
        """All of them."""
        return [*self.names, *(f"val_{name}" for name in self.names if self.has_validation)]


def metric_name(metric: MetricObject) -> str | None:
    """What Keras calls a metric; None where only its own code knows."""
    if metric.plain:
        return metric.class_name
    if metric.name is not None:
        return metric.name
    return None if metric.is_custom else snake_case(metric.class_name)


def logged(outputs: Sequence[str], metrics: Sequence[MetricObject], own: Mapping[int, str] | None = None) -> Names:
    """What Keras logs of a model: with several outputs each metric and each loss once for each of them.

    Args:
        outputs: Those that there are targets for.
        metrics: What is measured of each.
        own: The names of metrics of one's own by their place, where somebody has made them.
    """
    found: dict[str, MetricObject | None] = {"loss": None}
    prefixes = [f"{output}_" for output in outputs] if len(outputs) > 1 else [""]
    if len(outputs) > 1:
        found |= {f"{output}_loss": None for output in outputs}
    for prefix in prefixes:
        counts: dict[str, int] = {}
        for place, metric in enumerate(metrics):
            name = metric_name(metric) or (own or {}).get(place)
            if name is not None:
                count = counts[name] = counts.get(name, -1) + 1
                found[f"{prefix}{name}_{count}" if count else f"{prefix}{name}"] = metric
    return found


def signal_errors(
    recipe: Recipe, source: ModelSpec, model: ModelSpec, stages: Sequence[StagePlan]
) -> list[SurgeryError]:
    """Every callback and every `max_drop` that looks at a name which is not logged, with its place.

    Args:
        recipe: The recipe.
        source: The model that it starts from.
        model: The model after its operations.
        stages: The stages as planned.
    """
    training = recipe.training
    errors: list[SurgeryError] = []
    if training is not None and stages:
        for number, stage in enumerate(training.stages):
            spec = next(planned.spec for planned in stages if planned.number == number)
            signals = signals_of(stage, _learned(training.data.train, spec), has_validation=watched(training))
            for error in (*stage_errors(stage, signals), *_steps_of_nothing(stage, signals)):
                errors.append(error.at(recipe.location("training", "stages", number, *error.field)))
    for number, evaluation in enumerate(recipe.evaluation):
        result = stages[-1].spec if stages else model
        for error in _unmeasured(evaluation, training, source, result):
            errors.append(error.at(recipe.location("evaluation", number, *error.field)))
    return errors


def _unmeasured(
    evaluation: Evaluation, training: Training | None, source: ModelSpec, result: ModelSpec
) -> Iterator[SurgeryError]:
    """What `max_drop` names and no measurement has, of the result or of the source model."""
    learned = None if training is None else training.data.train
    data = learned if isinstance(evaluation.data, str) else evaluation.data
    metrics = [*evaluation.metrics]
    known = {metric.config.get("name", metric.class_name) for metric in metrics}
    bare = catalogue.bare_names("metrics")
    metrics += [MetricObject(name, plain=True) for name in evaluation.max_drop if name in bare and name not in known]
    if any(metric_name(metric) is None for metric in metrics):
        return
    found: set[str] = set()
    for whose, spec in (("the result", result), ("the source model", source)):
        outputs = _learned(data, spec)
        names = [
            name
            for name, metric in logged(outputs, metrics).items()
            if metric is not None or "loss" in (known | {*evaluation.max_drop})
        ]
        for name in evaluation.max_drop:
            if outputs and name not in names and name not in found:
                found.add(name)
                close = nearest(name, names) or next((one for one in names if one.endswith(f"_{name}")), None)
                asked = f"metrics: [{', '.join(metric.class_name for metric in metrics)}], " if metrics else ""
                yield InvalidValue(
                    f"{evaluation.name}: max_drop names '{name}', which is not measured of {whose}",
                    expected=f"one of {', '.join(names) or 'what metrics: lists'}",
                    fix=f"{asked}max_drop: {{{close}: {evaluation.max_drop[name]:g}}}" if close else None,
                    field=("max_drop", name),
                )


def watched(training: Training) -> bool:
    """Whether a training has validation examples."""
    return training.data.validation is not None or training.data.validation_split is not None


def signals_of(
    stage: Stage, outputs: Sequence[str], *, has_validation: bool, own: Mapping[int, str] | None = None
) -> Signals:
    """What an epoch of a stage logs."""
    names = logged(outputs, stage.metrics, own)
    unknown = any(metric_name(metric) is None and n not in (own or {}) for n, metric in enumerate(stage.metrics))
    return Signals(names, has_validation, not unknown)


def stage_errors(stage: Stage, signals: Signals) -> Iterator[SurgeryError]:
    """Callbacks that watch what nobody logs, with the place below the stage."""
    for number, callback in enumerate(stage.callbacks):
        before = stage.callbacks[:number]
        if any(one.is_custom for one in before):  # it may log whatever it likes
            signals = Signals(signals.names, signals.has_validation, is_all=False)
        for key, name in _looked_at(callback, signals):
            rate = name == "learning_rate" and any(one.class_name in LOGGING_RATE for one in before)
            error = None if rate else _not_logged(stage, callback, key, name, signals)
            if error is None and key == "monitor" and not callback.is_custom:
                error = _without_direction(callback, name, signals)
            if error is not None:
                error.field = ("callbacks", number)
                yield error


def _steps_of_nothing(stage: Stage, signals: Signals) -> Iterator[SurgeryError]:
    if stage.validation_steps is not None and not signals.has_validation:
        yield InvalidValue(
            f"validation_steps is {stage.validation_steps}, and the training has no validation examples",
            expected="validation or validation_split under training.data",
            fix="leave it out",
            field=("validation_steps",),
        )


def _looked_at(callback: CallbackObject, signals: Signals) -> Iterator[tuple[str, str]]:
    """The arguments of a callback that name something logged, and what they name."""
    config, own = callback.config, callback.class_name
    monitor = config.get("monitor", None if callback.is_custom else WATCHING.get(own))
    if isinstance(monitor, str) and not (
        own in SAVING and not config.get("save_best_only") and "monitor" not in config
    ):
        yield "monitor", monitor
    path = config.get("filepath")
    if own == "ModelCheckpoint" and not callback.is_custom and isinstance(path, str):
        try:
            fields = [field for _, field, _, _ in string.Formatter().parse(path) if field]
        except ValueError:
            return
        own_words = {"epoch"} | ({"batch"} if isinstance(config.get("save_freq"), int) else set())
        yield from (("filepath", field) for field in fields if field not in own_words)


def _not_logged(stage: Stage, callback: CallbackObject, key: str, name: str, signals: Signals) -> SurgeryError | None:
    base = name.removeprefix("val_")
    if name != base and not signals.has_validation:
        fix = f"{key}: {base}" if base in signals.names or not signals.is_all else None
        return InvalidValue(
            f"{callback.class_name} watches '{name}', and the training has no validation examples",
            expected="validation or validation_split under training.data",
            fix=fix if key == "monitor" else "validation_split: 0.2",
        )
    if signals.has(name) or not signals.is_all:
        return None
    close = nearest(name, signals.words) or next((one for one in signals.words if name.endswith(f"_{one}")), None)
    wanted = catalogue.bare_names("metrics").get(base)
    fix = f"{key}: {close}" if close and key == "monitor" else close and f"write {close} for {name}"
    if wanted is not None and (close is None or close.removeprefix("val_") == "loss"):
        fix = f"metrics: [{', '.join([*(metric.key for metric in stage.metrics), base])}]"
    return InvalidValue(
        f"{callback.class_name} watches '{name}', which stage '{stage.name}' does not measure",
        expected=f"one of {', '.join(signals.words)}",
        fix=fix,
    )


def _without_direction(callback: CallbackObject, name: str, signals: Signals) -> SurgeryError | None:
    """A signal of which Keras cannot tell whether more is better: it looks for a metric of that very name."""
    if callback.config.get("mode", "auto") in ("min", "max") or callback.class_name not in WATCHING:
        return None
    if callback.class_name in SAVING and not callback.config.get("save_best_only"):
        return None
    base = name.removeprefix("val_")
    metric = signals.names.get(base)
    if base == "loss" or (base not in signals.names and not signals.is_all):
        return None
    if metric is not None and (metric.is_custom or (metric_name(metric) == base and _has_direction(metric))):
        return None
    low = metric is None or _is_better_low(metric)
    return InvalidValue(
        f"{callback.class_name} watches '{name}', and Keras does not know whether more of it is better",
        expected="mode: min or mode: max beside the monitor",
        fix=f"mode: {'min' if low else 'max'}",
    )


def _class_of(metric: MetricObject) -> str:
    return catalogue.bare_names("metrics").get(metric.class_name, metric.class_name)


def _has_direction(metric: MetricObject) -> bool:
    return _class_of(metric) not in WITHOUT_DIRECTION


def _is_better_low(metric: MetricObject) -> bool:
    return any(word in _class_of(metric) for word in ("Error", "entropy", "False", "Hinge", "Divergence", "Poisson"))


def _learned(data: DataSource | None, spec: ModelSpec) -> list[str]:
    """The outputs that there are targets for, in the model's order."""
    names = None if data is None else targeted(data)
    return [ref.layer for ref in spec.refs_out() if names is None or ref.layer in names]
