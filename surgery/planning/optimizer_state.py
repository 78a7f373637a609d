"""What becomes of an optimizer's state: from stage to stage, and out of the source file into the first one.

An optimizer keeps numbers beside each variable (Adam: momentum and velocity). They go on with the variable that they belong to
where the next stage has the same optimizer; a variable that has not trained in the stage before starts without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from surgery.errors import InvalidValue
from surgery.model.archive.optimizer import StoredOptimizer
from surgery.model.keras_object import OptimizerObject
from surgery.model.spec import ModelSpec
from surgery.model.weights import Averaged, Cast, Fresh, Overlap, Resampled, Sliced, Stored, WeightSource
from surgery.planning.plan import LedgerLine, OptimizerPlan
from surgery.planning.rates import trained_paths
from surgery.recipe.training import Stage

KEEPING = frozenset({"Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lion", "Muon", "RMSprop", "SGD"})
"""Optimizers of Keras whose whole state belongs to single variables. Nadam, Adafactor and ScheduleFreeAdamW keep more (3.15)."""

BEGINS = "as the optimizer begins"
"""Where new numbers beside a variable come from."""

Variable = tuple[str, str]
"""A variable by the path of its layer and its key."""


@dataclass(frozen=True)
class Before:
    """The stage before: its optimizer, and the variables that it trains."""

    optimizer: OptimizerObject
    trained: frozenset[Variable]


def optimizer_plan(
    stage: Stage,
    spec: ModelSpec,
    adapted: Sequence[str],
    before: Before | None,
    source: ModelSpec,
    stored: StoredOptimizer | None,
) -> tuple[OptimizerPlan, Before]:
    """What a stage's optimizer starts from.

    Args:
        stage: The stage.
        spec: The model with the flags of the stage.
        adapted: Layers whose variables wait although they are trainable.
        before: The stage before.
        source: The model that the recipe starts from.
        stored: The optimizer in its file; needed only where the first stage asks for it.

    Raises:
        InvalidValue: the stage asks for a state that is not there; its `field` are keys of the stage.
    """
    trained = frozenset(
        (path, weight.key)
        for path in trained_paths(spec)
        if path not in adapted
        for weight in spec[path].weights
        if weight.trainable
    )
    after = Before(stage.optimizer.updating, trained)
    if before is None and stage.optimizer_state == "carry":
        return _from_file(stage, spec, trained, source, stored), after
    return _from_stage(stage, spec, trained, before), after


def _from_stage(stage: Stage, spec: ModelSpec, trained: frozenset[Variable], before: Before | None) -> OptimizerPlan:
    name = stage.optimizer.updating.class_name
    lines = tuple(_lines(spec, trained, {}))
    if before is None:
        return OptimizerPlan(f"{name} starts afresh", ledger=lines)
    reason = _unlike(stage, before)
    if reason is not None and stage.optimizer_state == "carry":
        raise _cannot(reason, "the same optimizer as in the stage before")
    staying = trained & before.trained
    if stage.optimizer_state == "fresh":
        reason = f"{name} starts afresh, as optimizer_state says"
    elif reason is None and not staying:
        reason = f"{name} starts afresh: none of its variables trained in the stage before"
    if reason is not None:
        return OptimizerPlan(reason, ledger=(*lines, *_gone(spec, before.trained)), is_plain=False)
    kept = dict.fromkeys(staying, "kept")
    ledger = (*_lines(spec, trained, kept), *_gone(spec, before.trained - trained))
    described = f"{name} goes on with its state for {_share(staying, trained)}"
    return OptimizerPlan(described, "stage", ledger=ledger, is_plain=False)


def _unlike(stage: Stage, before: Before) -> str | None:
    """Why a stage cannot go on with the state of the one before."""
    name, other = stage.optimizer.updating.class_name, before.optimizer.class_name
    if stage.optimizer.updating.custom_module or name not in KEEPING:
        return f"{name} starts afresh: what it keeps does not belong to single variables"
    if name != other or before.optimizer.custom_module:
        return f"{name} after {other}: starts afresh"
    if not (_keeps(stage.optimizer.updating) and _keeps(before.optimizer)):
        return f"{name} starts afresh: without momentum it keeps nothing"
    return None


def _from_file(
    stage: Stage, spec: ModelSpec, trained: frozenset[Variable], source: ModelSpec, stored: StoredOptimizer | None
) -> OptimizerPlan:
    name = stage.optimizer.updating.class_name
    if stored is None:
        raise _cannot("the source model was saved without an optimizer", "a model that was compiled when it was saved")
    if stage.optimizer.updating.custom_module or name not in KEEPING:
        raise _cannot(f"what {name} keeps does not belong to single variables", f"one of {', '.join(sorted(KEEPING))}")
    if stored.class_name.lower() != name.lower():
        raise _cannot(f"the source model was trained with {stored.class_name}", f"{stored.class_name} in this stage")
    if not stored.blocks:
        raise _cannot("the source model was compiled and never trained: its optimizer has no state", "a trained model")
    if not stored.keras_version.startswith("3"):
        raise _cannot(
            f"the source model was saved by Keras {stored.keras_version}, whose optimizers keep their state otherwise",
            "a file that Keras 3 wrote",
        )
    before = {
        (path, weight.key) for path in trained_paths(source) for weight in source[path].weights if weight.trainable
    }
    made = {(path, key): state_source(_weight_source(spec, path, key), before) for path, key in sorted(trained)}
    sources = {variable: found for variable, found in made.items() if found is not None}
    texts = {variable: found.describe(variable[0]) for variable, found in sources.items()}
    return OptimizerPlan(
        f"{name} goes on with the state in the source file for {_share(sources, trained)}",
        "file",
        sources,
        tuple(_lines(spec, trained, texts)),
        is_plain=False,
    )


def state_source(source: WeightSource, trained: set[Variable]) -> WeightSource | None:
    """Where the numbers beside a variable come from: made as its own values are, from those beside the source's variables.

    New rows get what the optimizer begins with. None where nothing goes on: fresh values, other files, averages, other sizes,
    and variables that the source did not train.
    """
    match source:
        case Stored(path=path, key=key, file=""):
            return source if (path, key) in trained else None
        case Overlap(of=of):
            inside = state_source(of, trained)
            return None if inside is None else replace(source, of=inside, fresh=Fresh(BEGINS))
        case Sliced(of=of, rest=rest):
            inside = state_source(of, trained)
            return None if inside is None else replace(source, of=inside, rest=Fresh(BEGINS) if rest else None)
        case Cast(of=of):
            return state_source(of, trained)
        case Stored() | Averaged() | Resampled() | Fresh():
            return None
        case _:
            assert_never(source)


def _weight_source(spec: ModelSpec, path: str, key: str) -> WeightSource:
    return next(weight.source for weight in spec[path].weights if weight.key == key)


def _keeps(optimizer: OptimizerObject) -> bool:
    return optimizer.class_name != "SGD" or bool(optimizer.config.get("momentum"))


def _share(part: object, whole: frozenset[Variable]) -> str:
    number = len(part)  # type: ignore[arg-type]
    return f"all {number} variables" if number == len(whole) else f"{number} of {len(whole)} variables"


def _lines(spec: ModelSpec, variables: frozenset[Variable], texts: Mapping[Variable, str]) -> Iterator[LedgerLine]:
    for path, layer in spec.walk():
        for index, weight in enumerate(layer.weights):
            if (path, weight.key) in variables:
                text = texts.get((path, weight.key), f"fresh, {BEGINS}")
                yield LedgerLine(path, weight.name, index, weight.key, weight.shape, text)


def _gone(spec: ModelSpec, variables: frozenset[Variable]) -> Iterator[LedgerLine]:
    yield from _lines(spec, variables, dict.fromkeys(variables, "dropped"))


def _cannot(why: str, expected: str) -> InvalidValue:
    return InvalidValue(
        f"the optimizer's state cannot be carried: {why}",
        expected=expected,
        fix="optimizer_state: fresh",
        field=("optimizer_state",),
    )
