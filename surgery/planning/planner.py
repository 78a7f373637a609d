"""Makes the plan: reads the source, simulates the operations and the stages' own, writes the ledger."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from os.path import relpath
from pathlib import Path
from typing import Protocol

from surgery.errors import GraphUnsupported, Location, ShapeUnknown, SurgeryError, flatten, raise_all
from surgery.model.archive.optimizer import StoredOptimizer, read_optimizer
from surgery.model.config import to_config
from surgery.model.library import Library
from surgery.model.prove import Ask, prove
from surgery.model.scan.document import require_safe_document
from surgery.model.shapes import Built
from surgery.model.spec import Call, CustomClass, LayerSpec, ModelSpec, TensorSpec
from surgery.operations import Operation, Phase
from surgery.planning.augmentation import augmentation_errors, augmentation_notes
from surgery.planning.code import refuse_code, without_code
from surgery.planning.custom_class import custom_class_notes
from surgery.planning.flags import flag_notes
from surgery.planning.gradual import Field, Part, parts
from surgery.planning.guards import GuardPlan, guard_plans
from surgery.planning.ledger import ledger
from surgery.planning.losses import loss_errors, loss_notes
from surgery.planning.normalization import adapted, as_asked
from surgery.planning.optimizer_state import Before, optimizer_plan
from surgery.planning.patterns import refuse_patterns
from surgery.planning.plan import Plan, Source, StagePlan
from surgery.planning.prefix import WHOLE, frozen_prefix
from surgery.planning.rates import Rate, rates
from surgery.planning.resuming import resuming_notes
from surgery.planning.signals import signal_errors
from surgery.planning.simulate import Simulation
from surgery.planning.source import open_source
from surgery.planning.targets import target_errors, untargeted_notes
from surgery.recipe import Recipe
from surgery.recipe.document import Mark


class KerasSide(Protocol):
    """What only Keras can do for a plan. Whoever may import Keras passes it in."""

    @property
    def notes(self) -> list[str]:
        """What was asked, one sentence each."""

    def ask(self, layer: LayerSpec, inputs: tuple[TensorSpec, ...], call: Call) -> Built:
        """The outputs and variables of a layer for which there is no static rule."""

    def materialize(self, recipe: Recipe) -> Path:
        """The file of a source model that only Keras can make."""

    def overridden_methods(self, custom: CustomClass) -> tuple[str, ...]:
        """What a model class from outside Keras has in place of the methods that Keras' own have."""


def make_plan(recipe: Recipe, keras: KerasSide | None = None, trust: tuple[str, ...] = ()) -> Plan:
    """What the recipe does to its model.

    Args:
        recipe: A loaded recipe.
        keras: Asked where static rules end; without it such a recipe is refused.
        trust: The modules whose classes model files may name.

    Raises:
        SurgeryError: one for each thing that cannot be, with its place in the recipe.
    """
    ask: Ask | None = keras.ask if keras else None
    if recipe.is_restricted:
        keras, ask = None, _withheld
    try:
        source = open_source(recipe, keras.materialize if keras else None, ask, trust)
    except SurgeryError as error:
        error.at(recipe.location("model"))
        raise
    told = _of_its_class(recipe, source, keras)
    refuse_patterns(recipe, source.spec)
    if source.holds_code:
        ask = without_code(ask, trust)
    options = {"is_made": source.is_made, "holds_code": source.holds_code}
    with Library(source.path, recipe.resolve, ask, trust=trust, **options) as library:
        made = _planned(recipe, source, library, ask)
    if source.holds_code:
        try:
            refuse_code(made.spec, source.described, trust)
        except SurgeryError as error:
            raise error.at(recipe.location("model")) from None
    elif not source.is_made:
        _refuse_unsafe(made, trust)
    return replace(made, trust=trust, notes=(*(keras.notes if keras else ()), *told, *made.notes))


def _of_its_class(recipe: Recipe, source: Source, keras: KerasSide | None) -> tuple[str, ...]:
    custom = source.spec.custom_class
    if custom is None:
        return ()
    try:
        return tuple(custom_class_notes(source, keras.overridden_methods(custom) if keras else None))
    except SurgeryError as error:
        raise error.at(recipe.location("model")) from None


def _withheld(layer: LayerSpec, inputs: tuple[TensorSpec, ...], call: Call) -> Built:
    """The answer to a stranger's recipe: Keras makes nothing of what it brings.

    Raises:
        ShapeUnknown: always.
    """
    raise ShapeUnknown(
        f"only Keras knows the output shape of '{layer.name}' ({layer.class_name}), and --restricted asks it nothing",
        expected="a class with a static shape rule",
        fix="run it without --restricted where you trust the recipe",
    )


def _refuse_unsafe(plan: Plan, trust: tuple[str, ...]) -> None:
    """Holds the planned model against the rules that its file will have to pass.

    Raises:
        ModelUnsafe: something in it could run code or read files.
    """
    try:
        require_safe_document(to_config(replace(plan.spec, compile_config=None)), trust)
    except SurgeryError as error:
        raise error.at(plan.recipe.location("operations")) from None


def _planned(recipe: Recipe, source: Source, library: Library, ask: Ask | None) -> Plan:
    errors: list[SurgeryError] = []
    operations = tuple(operation.bound(library) for operation in recipe.operations)
    fields = [("operations", number) for number in range(len(operations))]
    main = _simulated(recipe, source.spec, operations, fields, ask)
    errors += main.errors or target_errors(recipe, main.model)
    stored = _optimizer(source)
    stages = list(_stages(recipe, source, main.model, ask, stored, errors))
    guards: tuple[GuardPlan, ...] = ()
    if not errors:  # they look at the model that the operations make
        guards, errors = guard_plans(recipe, source.spec, main.model, stages)
        errors += signal_errors(recipe, source.spec, main.model, stages)
        errors += augmentation_errors(recipe, main.model)
        errors += loss_errors(recipe, stages)
    raise_all([_with_file(error, source) for error in errors])
    return Plan(
        recipe=recipe,
        source=source,
        steps=tuple(main.steps),
        spec=main.model,
        ledger=ledger(source.spec, main.model, recipe.seed),
        stages=tuple(stages),
        guards=guards,
        notes=(
            *source.spec.notes,
            *_losses(source, stored, stages),
            *flag_notes(source.spec, main.model),
            *augmentation_notes(recipe, main.model),
            *loss_notes(stages),
            *untargeted_notes(recipe, stages[-1].spec if stages else main.model, guards),
            *resuming_notes(recipe, [planned.stage for planned in stages]),
        ),
        files=library.names,
    )


def _stages(
    recipe: Recipe,
    source: Source,
    model: ModelSpec,
    ask: Ask | None,
    stored: StoredOptimizer | None,
    errors: list[SurgeryError],
) -> Iterator[StagePlan]:
    """The stages one after the other, each with the flags that the one before left; what cannot be goes to `errors`."""
    before: Before | None = None
    for part in parts(recipe):
        errors += _not_for_stages(recipe, part.operations, part.fields)
        run = _simulated(recipe, model, part.operations, part.fields, ask)
        errors += run.errors
        model = run.model
        stage = _stage(recipe, part, run, errors)
        try:
            optimizer, before = optimizer_plan(part.stage, stage.spec, stage.adapted, before, source.spec, stored)
            stage = replace(stage, optimizer=optimizer)
        except SurgeryError as error:
            errors.append(error.at(recipe.location("training", "stages", part.number, *error.field)))
        yield stage


def _stage(recipe: Recipe, part: Part, run: Simulation, errors: list[SurgeryError]) -> StagePlan:
    spec = as_asked(part.stage, run.model)
    found: dict[str, Rate] = {}
    if not errors:  # a model that operations in error left behind says nothing
        try:
            found = rates(part.stage, spec, may_wait=not part.is_last)
        except SurgeryError as error:
            place = ("training", "stages", part.number)
            errors += [one.at(recipe.location(*place, *one.field)) for one in flatten(error)]
    prefix = frozen_prefix(spec, recipe.training, part.stage) if recipe.training else WHOLE
    return StagePlan(part.stage, part.number, tuple(run.steps), spec, found, adapted(part.stage, spec), prefix)


def _simulated(
    recipe: Recipe,
    model: ModelSpec,
    operations: tuple[Operation, ...],
    fields: Sequence[Field],
    ask: Ask | None,
) -> Simulation:
    def locate(number: int, *keys: str | int, mark: Mark = "value") -> Location:
        return recipe.location(*fields[number], *keys, mark=mark)

    simulation = Simulation(model, operations, locate, partial(prove, ask=ask))
    simulation.run()
    return simulation


def _not_for_stages(recipe: Recipe, operations: tuple[Operation, ...], fields: Sequence[Field]) -> list[SurgeryError]:
    return [
        GraphUnsupported(
            f"{operation.op}: a stage sets what is trained; it does not change the network",
            expected="freeze or unfreeze",
            fix="move it to the recipe's own 'operations'",
            location=recipe.location(*place, "op"),
        )
        for place, operation in zip(fields, operations, strict=True)
        if operation.phase is not Phase.TRAINABILITY
    ]


def _with_file(error: SurgeryError, source: Source) -> SurgeryError:
    """The fix with the model's file in it, so that it can be typed."""
    if error.fix:
        error.fix = error.fix.replace("surgery inspect MODEL", f"surgery inspect {shlex.quote(relpath(source.path))}")
    return error


def _optimizer(source: Source) -> StoredOptimizer | None:
    """The optimizer in the source file, where there can be one."""
    is_h5 = source.path.suffix in (".h5", ".hdf5")
    compiled = is_h5 or (source.spec.compile_config or {}).get("optimizer")
    return read_optimizer(source.path) if compiled else None


def _losses(source: Source, stored: StoredOptimizer | None, stages: Sequence[StagePlan]) -> Iterator[str]:
    if source.holds_code:
        yield "The source model carries code, which is never run: nothing can be measured on it."
    if stored is None:
        return
    name = stored.class_name
    if stages and stages[0].optimizer.origin == "file":
        yield f"The source model is compiled with {name}. The result is not; it holds no optimizer's state, no loss, no metrics."
    else:
        yield f"The source model is compiled with {name}, which is not carried over; nor is its state, nor the loss and the metrics."
