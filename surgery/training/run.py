"""A whole run: build, measure, train, measure again, write the model, and leave a record of it all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from itertools import zip_longest
from pathlib import Path
from typing import Any, NoReturn

from surgery.errors import Interrupted, RunFailed, SurgeryError, Terminated, flatten, raise_all
from surgery.execution.build import build
from surgery.execution.commit import refuse_input, write_result
from surgery.execution.evidence import evidence
from surgery.execution.stopping import Stopped, deferred
from surgery.execution.users_code import code_failed
from surgery.execution.variables import LiveValues
from surgery.model.archive.staging import claimed
from surgery.model.spec import ModelSpec
from surgery.planning import Plan
from surgery.recipe.training import Training
from surgery.training.account import Account
from surgery.training.compiling import check_objects
from surgery.training.data.augmentation import Augmentation
from surgery.training.data.datasets import Datasets, open_datasets
from surgery.training.devices import on, precision, resolve
from surgery.training.evaluation import gate_failures, values_of
from surgery.training.evaluations import Evaluations
from surgery.training.guards.guarding import NO_GUARDS, Guarding
from surgery.training.guards.prepare import Preparation
from surgery.training.job import Job
from surgery.training.optimizer_state import NOTHING, OptimizerState
from surgery.training.progress import Progress, progress_for
from surgery.training.record import shown
from surgery.training.result import RunResult
from surgery.training.resuming.start import Place, Start, begun
from surgery.training.resuming.store import Store, open_store
from surgery.training.seeds import seed_everything
from surgery.training.setting import Setting, StageWork
from surgery.training.source_state import state_in_source
from surgery.training.stages import Outcome, train
from surgery.training.stops import stop_after_training
from surgery.training.watching import Watch


def run(
    plan: Plan,
    *,
    trust: Sequence[str] = (),
    output: Path | None = None,
    progress: Progress | None = None,
    cache: bool = True,
    resume: bool = False,
) -> RunResult:
    """Carries out a recipe.

    The folder of the run is `runs/NAME/0001` beside the output, or beside the recipe where it names no output; then the
    model lies in that folder too.

    Args:
        plan: The plan of the recipe.
        trust: The modules outside Keras that may be imported.
        output: Where to write the model, instead of the recipe's `outputs.model`.
        progress: Where the training says how far it is. Default: standard error.
        cache: Whether frozen layers are computed once for all epochs, and stages taken over that an earlier run has done.
        resume: Whether to go on with the newest run that was interrupted. Where there is none it starts from the beginning.

    Raises:
        SurgeryError: Everything that does not fit, before the first step, with its place in the recipe.
        RunFailed: The training could not go on, or was told to stop; its last good weights are in the folder of the run.
        Busy: Another run is writing the same output.
        CheckpointStale, CheckpointInvalid, CheckpointForeign: The interrupted run cannot be gone on with.
        GateFailed: The result lost more than the recipe allows; no model was written.
    """
    recipe = plan.recipe
    if output is None and recipe.outputs.model is not None:
        output = recipe.resolve(recipe.outputs.model)
    try:
        if output is not None:
            refuse_input(plan, output)
        seed_everything(recipe.seed)
        device = resolve(recipe.training.device if recipe.training else "auto")
        store = open_store(cache) if recipe.training is not None else Store()
        job = Job(plan, tuple(trust), device, progress or progress_for(), output, cache, store)
        with claimed(output) if output is not None else nullcontext(), ExitStack() as claims:
            return _run(job, begun(job, resume, claims), claims)
    except Exception as error:
        failed = error if isinstance(error, SurgeryError) else code_failed(error, trust)
        if failed is None:
            raise
        for one in flatten(failed):
            one.at(recipe.location(*one.field) if one.field else None)
        if failed is error:
            raise
        raise failed from error


def _run(job: Job, start: Start, claims: ExitStack) -> RunResult:
    recipe, account = job.recipe, Account(job.plan, job.device)
    account.resumed, account.notes = start.resumed, list(start.notes)
    with on(job.device):
        with account.timed("build"):
            model = build(job.plan, job.trust)
        with account.timed("evidence"):
            account.evidence = evidence(job.plan, model, job.trust)
        with account.timed("data"):
            datasets = _datasets(job, model)
        if recipe.training is not None and datasets is not None:
            account.facts, account.streams = datasets.facts, datasets.has_streams
            for note in datasets.notes(recipe.training):
                account.notes.append(note)
                job.progress.say(note)
        guards = _guards(job, model, datasets, account)
        evaluations = Evaluations.of(job, datasets)
        with account.timed("evaluation"):
            before = evaluations.before(job, model)
        place = start.take_place(job, claims)
        if recipe.training is not None and datasets is not None:
            _trained(job, recipe.training, model, datasets, guards, evaluations, place, account)
        try:
            with account.timed("evaluation"):
                account.comparisons = evaluations.compared(before, evaluations.measured(model))
                account.history = account.history.ended_with(values_of(account.comparisons))
                account.spared = shared.described if (shared := evaluations.setup.shared) else ()
        except Stopped as stop:
            if not account.history.stages:
                raise
            _keep(job.plan, model, account, place, stop_after_training(stop))
    if failures := gate_failures(account.comparisons):
        account.leave(place.folder, "gate-failed", None, "; ".join(failure.what for failure in failures))
        place.over()
        raise_all(failures)
    written = job.output or place.folder / "model.keras"
    # A signal that comes now waits until the model and the record of the run are both there.
    with deferred():
        with account.timed("write"):
            _write(job.plan, job.plan.final, model, written)
        document = account.leave(place.folder, "done", written)
        place.over()
        return RunResult(document, place.folder, written)


def _trained(
    job: Job,
    training: Training,
    model: Any,
    datasets: Datasets,
    guards: Guarding,
    evaluations: Evaluations,
    place: Place,
    account: Account,
) -> None:
    """Trains the model in place; what stops it leaves the last good weights."""
    failure: RunFailed | None = None
    try:
        with account.timed("training"), deferred():
            outcome = _train(job, training, model, datasets, guards, evaluations, place)
            account.history, failure = outcome.history, outcome.failure
    except Stopped as stop:
        failure = failure or stop_after_training(stop)
    if failure is not None:
        _keep(job.plan, model, account, place, failure)


def _datasets(job: Job, model: Any) -> Datasets | None:
    recipe = job.recipe
    if recipe.training is None:
        return None
    works = _works(job)
    raise_all([error for work in works for error in check_objects(work, job.trust)])
    return open_datasets(recipe.training, model, recipe.folder, job.trust, recipe.seed)


def _guards(job: Job, model: Any, datasets: Datasets | None, account: Account) -> Guarding:
    """The guards against forgetting, made from the model as built.

    Raises:
        SurgeryError: The data of one do not fit.
    """
    training = job.recipe.training
    if training is None or datasets is None or not job.plan.guards:
        return NO_GUARDS
    with account.timed("guards"):
        guards = Preparation(job.plan, training, model, datasets, job.trust).guarding()
    account.facts = {**account.facts, **guards.facts}
    return guards


def _works(job: Job) -> list[StageWork]:
    return [
        StageWork(
            *(planned.stage, planned.trainable, planned.number, planned.rates, planned.adapted, planned.prefix),
            goes_on=planned.optimizer.origin != "fresh",
            hands_on=following is not None and following.optimizer.origin == "stage",
        )
        for planned, following in zip_longest(job.plan.stages, job.plan.stages[1:])
    ]


def _train(
    job: Job,
    training: Training,
    model: Any,
    datasets: Datasets,
    guards: Guarding,
    evaluations: Evaluations,
    place: Place,
) -> Outcome:
    setting = Setting(
        datasets.train,
        datasets.validation,
        training.data.batch_size,
        training.data.shuffle,
        job.recipe.seed,
        job.device,
        place.folder,
        job.trust,
        job.progress,
        Augmentation(layers, job.recipe.seed, job.trust, datasets.kinds)
        if (layers := training.data.augmentation)
        else None,
        job.budget(training),
        training.precision,
        guards,
        Watch(evaluations, guards, datasets.train),
        datasets.outputs,
        training.data.drop_last,
    )
    with precision(model, training.precision):
        return train(model, _works(job), setting, _optimizer_state(job, model), place.keeping)


def _optimizer_state(job: Job, model: Any) -> OptimizerState:
    is_asked = job.plan.stages[0].optimizer.origin == "file"
    return state_in_source(job.plan, model, job.trust) if is_asked else NOTHING


def _keep(plan: Plan, model: Any, account: Account, place: Place, failure: RunFailed) -> NoReturn:
    """Leaves the last good weights and the account in the folder of the run, and raises the failure."""
    kept = place.last_good
    stage = max(len(account.history.stages) - 1, 0)
    try:
        _write(plan, plan.stages[stage].spec, model, kept)
        account.leave(place.folder, "failed", kept, failure.what)
    except RunFailed as error:  # the disk that is full may be what failed
        failure.expected = f"{failure.expected}; but {error.what}"
    else:
        failure.expected = f"{failure.expected} in {shown(kept)}"
    if isinstance(failure, (Interrupted, Terminated)) and place.keeping.checkpoint is not None:
        failure.fix = place.keeping.checkpoint.command
    raise failure


def _write(plan: Plan, spec: ModelSpec, model: Any, output: Path) -> None:
    trained = {path for stage in plan.stages for path, value in stage.trainable.items() if value}
    write_result(plan, spec, LiveValues(model, spec), output, trained)
