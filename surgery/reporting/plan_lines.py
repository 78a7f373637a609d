"""What a plan says of each step, in the words of both its text and its Markdown form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from surgery.model.calling import told_calls
from surgery.model.changes.configs import arguments_of, class_of
from surgery.model.edits import (
    AddLayer,
    CarryWeights,
    Edit,
    FeedInput,
    FreshWeights,
    Redirect,
    RemoveLayer,
    RenameLayer,
    SetArguments,
    SetOutputs,
    SetWeights,
    UpdateConfig,
)
from surgery.model.spec import join_path
from surgery.model.weights import Sliced, WeightSource
from surgery.planning import LedgerLine, Plan, StagePlan, Step
from surgery.planning.rates import Rate
from surgery.reporting.call_text import argument_text, call_text, called_text


@dataclass(frozen=True)
class Mark:
    """One change: `+` added, `-` removed, `~` changed, and what."""

    sign: str
    path: str
    text: str


def marks(step: Step) -> list[Mark]:
    """The changes of a step that a reader looks for; rewiring follows from them and is left out."""
    found = [mark for edit in step.edits for mark in _marks(edit)]
    return sorted(found, key=lambda mark: mark.sign == "+")


def _marks(edit: Edit) -> Iterator[Mark]:
    match edit:
        case AddLayer(inside, layer):
            text = call_text(class_of(layer), arguments_of(layer))
            yield Mark("+", join_path(inside, layer.name), text + called_text(told_calls(layer)))
        case RemoveLayer(path, calls):
            yield Mark("-", path, called_text(calls).removeprefix(", "))
        case UpdateConfig(path, changes):
            yield Mark("~", path, ", ".join(f"{key}: {argument_text(value)}" for key, value in changes.items()))
        case SetArguments(path, changes):
            yield Mark("~", path, f"call: {argument_text(changes)}")
        case FeedInput(path, _, name):
            yield Mark("~", path, f"one more input: {name}")
        case RenameLayer(path, name):
            yield Mark("~", path, f"renamed to {name}")
        case FreshWeights(path):
            yield Mark("~", path, "fresh weights")
        case SetWeights(path, sources):
            yield Mark("~", path, f"weights: {', '.join(dict.fromkeys(_short(source, path) for _, source in sources))}")
        case CarryWeights(path, weights, policy, _, giver):
            if policy is not None or (giver and weights):
                told = f"weights: {policy or 'kept where they fit'}"
                yield Mark("~", path, f"{told}, those of {giver}" if giver else told)
        case Redirect() | SetOutputs():
            return
        case _:
            assert_never(edit)


def _short(source: WeightSource, path: str) -> str:
    """What becomes of a variable, without its place in the ledger: `2 of 4 on axis 3`, `transplanted from b.keras`."""
    text = source.describe(path)
    return text.partition(": ")[2] if isinstance(source, Sliced) else text


def ledger_summary(plan: Plan) -> tuple[list[tuple[int, str]], list[LedgerLine]]:
    """How many variables are kept, and every line that says something else."""
    kept = Counter(line.source for line in plan.ledger if line.is_kept)
    return [(number, source) for source, number in kept.items()], [line for line in plan.ledger if not line.is_kept]


def totals(plan: Plan) -> Mapping[str, tuple[int, int]]:
    """Before and after: layers, parameters, trainable parameters."""
    before, after = plan.source.spec, plan.spec
    return {
        "layers": (len(before.listed), len(after.listed)),
        "parameters": (before.parameters, after.parameters),
        "trainable parameters": (before.trainable_parameters, after.trainable_parameters),
    }


def variable_text(line: LedgerLine) -> str:
    """The variable's name, with the part of the layer that it belongs to: `query_dense/kernel`."""
    inside, _, _ = line.key.rpartition("vars/")
    return f"{inside}{line.variable}"


def told_state(stage: StagePlan) -> list[LedgerLine]:
    """The variables beside which the optimizer's numbers are neither simply kept nor simply fresh."""
    plain = ("kept", "fresh", "dropped")
    return [line for line in stage.optimizer.ledger if line.source.partition(",")[0] not in plain]


def rate_groups(stage: StagePlan) -> Mapping[Rate, tuple[str, ...]]:
    """The layers of a stage that share a rate of their own, the fastest first."""
    groups: dict[Rate, tuple[str, ...]] = {}
    for path, rate in sorted(stage.rates.items(), key=lambda item: -item[1].multiplier):
        groups[rate] = (*groups.get(rate, ()), path)
    return groups


def rate_text(rate: Rate) -> str:
    """`learning rate x 0.1, weight decay 0`."""
    told = [] if rate.multiplier == 1.0 else [f"learning rate x {rate.multiplier:.4g}"]
    if rate.weight_decay is not None:
        told.append(f"weight decay {rate.weight_decay:g}")
    return ", ".join(told)
