"""The same as the command line, from Python."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from surgery.errors import FileMissing, LockDrift, LockInvalid, raise_all
from surgery.model.notebook import shown_by

if TYPE_CHECKING:
    # Only for the types: comparing and inspecting models load nothing that they do not need.
    import keras

    from surgery.execution.answers import KerasAnswers
    from surgery.execution.claims import Evidence
    from surgery.model.changes import Diff
    from surgery.model.revision import Revision
    from surgery.model.shapes import Built
    from surgery.model.spec import Call, CustomClass, LayerSpec, ModelSpec, TensorSpec
    from surgery.planning import Plan
    from surgery.planning.lock import Lock
    from surgery.recipe import Recipe
    from surgery.recipe.document import Scalar
    from surgery.training.result import RunResult
    from surgery.training.verify import Verification

shown_by("surgery.reporting.notebook_html")


class KerasWhenAsked:
    """The Keras side of planning; Keras is imported at the first question, and most plans ask none."""

    def __init__(self, trust: Sequence[str] = ()) -> None:
        self._trust = tuple(trust)
        self._answers: KerasAnswers | None = None

    @property
    def notes(self) -> list[str]:
        return self._answers.notes if self._answers else []

    def ask(self, layer: LayerSpec, inputs: tuple[TensorSpec, ...], call: Call) -> Built:
        return self._keras().ask(layer, inputs, call)

    def materialize(self, recipe: Recipe) -> Path:
        return self._keras().materialize(recipe)

    def overridden_methods(self, custom: CustomClass) -> tuple[str, ...]:
        return self._keras().overridden_methods(custom)

    def close(self) -> None:
        """Removes what `materialize` made."""
        if self._answers:
            self._answers.close()

    def _keras(self) -> KerasAnswers:
        if self._answers is None:
            from surgery.execution.backend import load_keras

            load_keras()
            from surgery.execution.answers import KerasAnswers

            self._answers = KerasAnswers(self._trust)
        return self._answers


def plan(recipe: Recipe, *, trust: Sequence[str] = (), look_at_data: bool = True) -> Plan:
    """What a recipe would do to its model.

    Args:
        recipe: A recipe from `load_recipe`.
        trust: Modules outside Keras that may be imported.
        look_at_data: Whether the beginnings of the data's files are looked at, where they are there.

    Raises:
        SurgeryError: one for each thing that cannot be, with its place in the recipe.
    """
    from surgery.planning import make_plan

    permitted = recipe.permitted(trust)
    asked = KerasWhenAsked(permitted)
    try:
        made = make_plan(recipe, asked, permitted)
        if look_at_data and not recipe.is_restricted and (recipe.training is not None or recipe.evaluation):
            from surgery.training.data.headers import header_errors

            raise_all(header_errors(made))
    except BaseException:
        asked.close()
        raise
    # A source model that Keras made lies in a folder of its own, which is needed as long as the plan is.
    weakref.finalize(made.source, asked.close)
    return made


def save_plan(plan: Plan, path: str | Path, parameters: Mapping[str, Scalar] | None = None) -> None:
    """Saves a plan with the facts that it stands on, so that `load_plan` carries out exactly this plan or refuses.

    Args:
        plan: A plan from `plan`.
        path: A file that ends in `.json`.
        parameters: The overrides that the recipe was loaded with.
    """
    from surgery.planning.saved import save_plan as text_of
    from surgery.planning.written import write_text

    write_text(Path(path), text_of(plan, Path(path), parameters or {}), reads=[plan.recipe.path, plan.source.path])


def load_plan(path: str | Path, *, trust: Sequence[str] = ()) -> Plan:
    """A plan from `save_plan`.

    Raises:
        PlanStale: something that it stands on has moved.
        SurgeryError: the file is no saved plan.
    """
    from surgery.planning.saved import open_saved

    return open_saved(Path(path), lambda recipe: plan(recipe, trust=trust, look_at_data=False))


def apply(plan: Plan, *, trust: Sequence[str] = ()) -> keras.Model:
    """The Keras model after the plan's operations, not trained and not compiled.

    Args:
        plan: A plan from `plan`.
        trust: Modules outside Keras that may be imported.
    """
    from surgery.execution.backend import load_keras

    load_keras()
    from surgery.execution.build import build

    return build(plan, plan.recipe.permitted(trust))


def apply_to_file(plan: Plan, output: Path, *, trust: Sequence[str] = (), prove: bool | None = None) -> Evidence:
    """Writes the model after the plan's operations, and checks the file against the plan before it is put in place.

    Args:
        plan: A plan from `plan`.
        output: A path that ends in `.keras`.
        trust: Modules outside Keras that may be imported.
        prove: Whether to measure, on a small random batch, that what no operation changes computes the same. None: when Keras is
            needed anyway, for initial values.

    Returns:
        What the operations claim, and what was measured.

    Raises:
        PromiseBroken: something is not as planned; nothing is written then.
    """
    from surgery.execution.commit import apply_to_file

    return apply_to_file(plan, output, plan.recipe.permitted(trust), prove)


def run(
    recipe: Recipe,
    *,
    trust: Sequence[str] = (),
    output: str | Path | None = None,
    cache: bool = True,
    resume: bool = False,
) -> RunResult:
    """The operations, the training stages, the evaluation, the outputs, the report.

    Args:
        recipe: A recipe from `load_recipe`.
        trust: Modules outside Keras that may be imported.
        output: Where to write the model, instead of the recipe's `outputs.model`.
        cache: Whether frozen layers are computed once for all epochs, and stages taken over that an earlier run has done.
        resume: Whether to go on with the newest run of the recipe that was interrupted. Where there is none it starts from the
            beginning.

    Raises:
        CheckpointStale: something that the interrupted run follows from has moved.
    """
    return run_plan(plan(recipe, trust=trust), trust=trust, output=output, cache=cache, resume=resume)


def run_plan(
    plan: Plan,
    *,
    trust: Sequence[str] = (),
    output: str | Path | None = None,
    cache: bool = True,
    resume: bool = False,
) -> RunResult:
    """The same for a plan that is made already."""
    from surgery.training.process import carry_out

    written = None if output is None else Path(output)
    return carry_out(plan, trust=plan.recipe.permitted(trust), output=written, cache=cache, resume=resume)


def lock(plan: Plan, result: RunResult | None = None) -> Path:
    """Writes the lock of a plan's recipe: what goes in, and what came out of a run.

    Args:
        plan: A plan from `plan`.
        result: A run of this plan. Without it the outputs of the lock so far stay, if they are of the same inputs.

    Returns:
        Where the lock is.
    """
    from surgery.planning.facts import input_facts
    from surgery.planning.lock import lock_path, lock_text, make_lock, read_lock
    from surgery.planning.written import write_text

    path = lock_path(plan.recipe)
    try:
        old = read_lock(path)
    except (FileMissing, LockInvalid):
        old = None
    outputs = None
    if result is not None:
        from surgery.planning.outputs import output_facts

        outputs = output_facts(result.model, result.document)
    write_text(path, lock_text(make_lock(input_facts(plan), old, outputs)), reads=[plan.recipe.path, plan.source.path])
    return path


def check_lock(plan: Plan) -> Lock:
    """The lock of a plan's recipe, which still holds.

    Raises:
        LockDrift: for each thing that goes in and is not as it is locked.
        FileMissing, LockInvalid: there is no lock.
    """
    from surgery.planning.facts import input_facts
    from surgery.planning.lock import checked, drift, lock_path, read_lock

    locked, inputs = read_lock(lock_path(plan.recipe)), input_facts(plan)
    raise_all(drift(locked, inputs))
    return checked(locked, inputs)


def verify(plan: Plan, *, trust: Sequence[str] = ()) -> Verification:
    """Runs a recipe again in a scratch folder, and compares with the outputs of its lock.

    On the same machine with the same software they must be equal bit for bit, elsewhere within the lock's tolerances.
    What is another is in `other_stack`.

    Raises:
        LockDrift: for each output, or each input other than software and machine, that is not as it is locked.
    """
    from surgery.planning.facts import input_facts
    from surgery.planning.lock import drift, lock_path, read_lock
    from surgery.planning.outputs import without_stack

    locked, inputs = read_lock(lock_path(plan.recipe)), input_facts(plan)
    raise_all(drift(replace(locked, facts=without_stack(locked.facts)), without_stack(inputs)))
    if not locked.outputs:
        raise LockDrift(
            "the lock has no outputs to compare with",
            expected="a lock that was written after a run",
            fix=f"surgery run --lock {plan.recipe.path}",
            location=locked.location(""),
        )
    from surgery.training.verify import verify

    return verify(plan, locked, inputs, plan.recipe.permitted(trust))


def read_model(path: str | Path, *, trust: Sequence[str] = ()) -> ModelSpec:
    """A saved Keras model as a value: `.keras` file or folder, `.h5` of Keras 1, 2 and 3. Keras is not imported.

    Args:
        path: The file or folder; it is scanned before it is read.
        trust: Modules outside Keras whose classes may be in it. They are not imported.

    Raises:
        ModelUnsafe: when the scan does not accept it.
        FileMissing, FileUnreadable, ModelUnsupported, ModelInvalid: when it is not one.
    """
    from surgery.model.proved import read_proved

    return read_proved(Path(path), lenient=True, trust=tuple(trust))


def convert(files: Sequence[str | Path], output: str | Path, *, trust: Sequence[str] = ()) -> tuple[str, ...]:
    """Writes a model of Keras 1, 2 or TensorFlow.js, in one file or in several, as a `.keras` file.

    Args:
        files: One model; or an architecture (`model.json`) and its weights (`weights.h5`); or the `model.json` of a layers model of
            TensorFlow.js, whose shards lie beside it.
        output: A path that ends in `.keras`.
        trust: Modules outside Keras whose classes may be in it.

    Returns:
        What was made otherwise than it lay there, a sentence each.
    """
    from surgery.execution.converting import convert

    granted = tuple(trust)
    return convert([Path(file) for file in files], Path(output), KerasWhenAsked(granted).ask, granted)


def diff(old: str | Path, new: str | Path, *, trust: Sequence[str] = (), restricted: bool = False) -> Diff:
    """What is different between two models: structure, config, trainability and weights, layer by layer.

    Args:
        old: A model file or folder; a recipe, for what it would make; or either in git, as `git:REVISION:PATH` where no
            file is called so. A Path is always a file.
        new: The same.
        trust: Modules outside Keras that a recipe may import.
        restricted: Whether strangers wrote both: paths stay inside the workspace, nothing is downloaded or imported.
    """
    from surgery.model.changes import Side, compare
    from surgery.model.operand import ahead, named_in_git, open_operand

    def open_recipe(path: Path, revision: Revision | None) -> AbstractContextManager[Side]:
        from surgery.planning.side import open_plan, take_surroundings
        from surgery.recipe import load_recipe

        if revision is not None:
            take_surroundings(path, revision)
        recipe = load_recipe(path, restricted=restricted and revision is None)
        return open_plan(plan(recipe.restricted() if restricted else recipe, trust=trust))

    granted = () if restricted else tuple(trust)
    if restricted:
        from surgery.recipe.workspace import require_inside

        for operand in (old, new):
            if named_in_git(operand) is None:
                require_inside(operand, Path.cwd())
    with (
        ahead((old, new), granted),
        open_operand(old, open_recipe, granted) as before,
        open_operand(new, open_recipe, granted) as after,
    ):
        return compare(before, after)
