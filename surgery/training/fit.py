"""One stage: compiled, fitted on its batches, and ended in order by whatever stops it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from surgery.errors import RunFailed
from surgery.execution.stopping import Stopped, deferred
from surgery.planning.resuming import LEFT_OUT
from surgery.training.compiling import compile_for
from surgery.training.data.class_weight import weighted
from surgery.training.data.examples import Examples, Indices, Stream
from surgery.training.data.order import Batches, in_stored_order, permutation
from surgery.training.data.stream import in_steps, to_their_end
from surgery.training.frozen_prefix.agreement import Agreement
from surgery.training.frozen_prefix.shortened import Shortened, shortened
from surgery.training.history import EpochRecord
from surgery.training.loss_scale import LossScale, loss_scale
from surgery.training.moved import Unmoved, digests, unmoved
from surgery.training.objects import live_callback
from surgery.training.optimizer_state import NOTHING, OptimizerState, state_of, take_up
from surgery.training.progress import Progress, StepReporter
from surgery.training.recorder import EpochOrder, Recorder
from surgery.training.resuming.callback_state import Callbacks
from surgery.training.resuming.checkpoint import Checkpoint
from surgery.training.resuming.course import Course
from surgery.training.resuming.keeper import Fitting, Keeper
from surgery.training.resuming.one_training import Fit, fit_from
from surgery.training.setting import Setting, StageWork
from surgery.training.stops import StopBetweenSteps, StopOnNonFinite, known_failure, stop_failure


@dataclass(frozen=True)
class Fitted:
    """What a stage did, what stopped it, and which frozen layers were computed once."""

    records: list[EpochRecord]
    failure: RunFailed | None
    frozen_prefix: str | None
    optimizer: OptimizerState = NOTHING
    """What the next stage goes on with, where it does."""
    agreement: Agreement | None = None
    """How near the features came to the whole network, where they were compared."""
    whole_because: str | None = None
    """Why the whole network trained though the plan has a cut."""
    loss_scale: LossScale | None = None
    """What the loss was multiplied by, where it was."""
    unmoved: Unmoved | None = None
    """What it left as it was of what it was to train."""


def fit(
    model: Any, work: StageWork, setting: Setting, progress: Progress, course: Course, checkpoint: Checkpoint | None
) -> Fitted:
    """Trains a model as a stage says, whose flags it has already.

    Args:
        model: The model.
        work: The stage.
        setting: What all stages share.
        progress: Where it says how far it is.
        course: How far the training is.
        checkpoint: Where it is kept.
    """
    stage = work.stage
    short = _shortened(model, work, setting, progress, course)
    learner = setting.guards.learner(short.model, setting.outputs)
    data, steps = training_batches(work, setting, short.train, learner.model)
    compile_for(learner.model, work, setting.trust, steps, setting.precision)
    if work.goes_on:
        take_up(learner.model, course.optimizer)
    course.start = digests(learner.model, work.rates) if course.underway is None else course.underway.start
    progress.stage(stage.name, stage.epochs, steps)
    begun, looked = course.underway, stage.validation_steps
    validation = in_stored_order(short.validation, setting.batch_size, learner.model, looked)
    how = Fit(
        stage.epochs,
        steps if isinstance(setting.train, Stream) and stage.steps_per_epoch else None,
        looked if isinstance(setting.validation, Stream) else None,
    )
    ours = Ours.of(model, work, setting, progress, course)
    callbacks = ours.all(data)
    if checkpoint is not None:
        kept = Fitting(
            *(stage.name, stage.epochs, steps if isinstance(data, Batches) else None, validation is not None),
            *(ours.others, ours.recorder),
        )
        callbacks.insert(-1, Keeper(course, checkpoint, kept, begun))
    whole = how.steps is None and how.validation_steps is None
    with setting.guards.over(learner), to_their_end() if whole else nullcontext():
        failure = _failure(
            lambda: fit_from(begun, learner.model, data, validation, how, callbacks),
            *(stage.name, ours.finite, setting.batch_size, setting.trust),
        )
    if failure is not None:
        ours.finite.good.restore()
        ours.others.close()
    state = state_of(learner.model) if work.hands_on and failure is None else NOTHING
    done = None if steps is None or failure is not None else steps * len(ours.recorder.records)
    scale = loss_scale(learner.model.optimizer, done)
    still = unmoved(course.start, digests(learner.model, work.rates)) if failure is None else None
    if still is not None and still.is_all:
        progress.say(f"stage '{stage.name}' changed none of the {still.of} variables that it trains")
    return Fitted(
        *(ours.recorder.records, failure, short.described, state),
        *(short.agreement, short.whole_because, scale, still),
    )


def _shortened(model: Any, work: StageWork, setting: Setting, progress: Progress, course: Course) -> Shortened:
    """The stage on features, where it has some that are near enough; where the plan promised some and there are none, that is said."""
    name, train = work.stage.name, setting.guards.examples(setting.train)
    short = shortened(
        Shortened(model, train, setting.validation),
        work.prefix,
        setting.batch_size,
        setting.budget,
        setting.device,
        setting.precision,
        None if isinstance(train, Stream) else _order(setting, name, train)[0],
        None if course.underway is None else course.underway.agreement,
    )
    course.agreement = short.agreement
    if short.whole_because is not None:
        progress.say(f"stage '{name}' trains the whole network: {short.whole_because}")
    return short


@dataclass(frozen=True)
class Ours:
    """The callbacks of a stage: the recipe's, and those that every stage has beside them."""

    finite: StopOnNonFinite
    others: Callbacks
    recorder: Recorder
    steps: StepReporter
    within: tuple[int, int]
    """The epoch that was interrupted, and how many of its steps are done."""
    left_out: frozenset[str] = frozenset()
    """Classes that have no place in a run that goes on."""

    @classmethod
    def of(cls, model: Any, work: StageWork, setting: Setting, progress: Progress, course: Course) -> Ours:
        """Those of a stage, as far as an interrupted run came with it."""
        begun = course.underway
        finite = StopOnNonFinite(work.stage.name, setting.device, model, begun)
        others = Callbacks(_callbacks(work, setting), course.variables.is_changed)
        left_out = LEFT_OUT if course.is_resumed else frozenset[str]()
        if begun is None:
            return cls(finite, others, Recorder(progress.epoch), StepReporter(progress), (0, 0), left_out)
        others.go_on(begun.callbacks)
        recorder = Recorder(progress.epoch, begun.records, begun.epoch_seconds)
        return cls(finite, others, recorder, StepReporter(progress), (begun.epoch, begun.step), left_out)

    def all(self, data: Any) -> list[Any]:
        """All in their order: before the recipe's what finds numbers that are none, behind them what looks at all they did."""
        order = [EpochOrder(data, self.within)] if isinstance(data, Batches) else []
        others = [one for one in self.others.made if type(one).__name__ not in self.left_out]
        return [*order, self.finite, *others, self.recorder, self.steps, StopBetweenSteps()]


def _failure(
    act: Callable[[], object], stage: str, finite: StopOnNonFinite, batch_size: int, trust: Sequence[str]
) -> RunFailed | None:
    """What stopped a stage; None where nothing did, or a signal came too late for that."""
    has_ended = False
    try:
        with deferred():
            act()
            has_ended = True
    except Stopped as stop:
        return None if has_ended else stop_failure(stop, stage, finite.position, finite.kept)
    except RunFailed as error:
        return error
    except Exception as error:
        failure = known_failure(error, stage, finite.position, batch_size, trust)
        if failure is None:
            raise
        return failure
    return None


def training_batches(work: StageWork, setting: Setting, train: Examples | Stream, model: Any) -> tuple[Any, int | None]:
    """What `fit` takes for a model, and the steps of an epoch where they are known."""
    steps = work.stage.steps_per_epoch
    if isinstance(train, Stream):
        return in_steps(train, steps), steps or (None if train.batches is None else int(train.batches))
    examples, name = weighted(train, work.stage, work.field), work.stage.name
    order, length = _order(setting, name, examples)
    augment = None if setting.augmentation is None else partial(setting.augmentation.together, name)
    batches = Batches(
        examples,
        setting.batch_size,
        order,
        augment,
        length,
        setting.guards.answered,
        model,
        steps=steps,
        drop_last=setting.drop_last,
    )
    return batches, batches.num_batches


def _order(setting: Setting, stage: str, examples: Examples) -> tuple[Callable[[int], Indices] | None, int]:
    """The order of the examples of an epoch, None where it is the stored one, and how many there are."""
    mixed = setting.guards.order(examples, setting.batch_size, setting.seed, stage, setting.shuffle)
    if mixed is not None:
        return mixed
    length = len(examples)
    return (lambda epoch: permutation(setting.seed, stage, epoch, length)) if setting.shuffle else None, length


def _callbacks(work: StageWork, setting: Setting) -> list[Any]:
    return [
        live_callback(callback, setting.folder, setting.trust, (*work.field, "callbacks", number))
        for number, callback in enumerate(work.stage.callbacks)
    ]
