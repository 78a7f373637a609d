"""A plan for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from surgery.errors import printable
from surgery.planning import Plan, StagePlan, Step
from surgery.reporting.plan_lines import (
    Mark,
    ledger_summary,
    marks,
    rate_groups,
    rate_text,
    told_state,
    totals,
    variable_text,
)
from surgery.reporting.table import change, count, shape, table

MOST_NAMES = 6
MOST_MARKS = 8


def plan_text(plan: Plan) -> str:
    """The whole plan: steps, weights that are not simply kept, totals, stages, notes."""
    source = plan.source
    lines = [
        f"Plan of {plan.recipe.name}: from {printable(source.described)} "
        f"({len(source.spec.listed)} layers, {count(source.spec.parameters)} parameters)",
        "",
    ]
    lines += _steps(plan.steps) if plan.steps else ["No operations: the network stays as it is."]
    lines += ["", "Weights", *_weights(plan), "", *_totals(plan)]
    lines += _stages(plan)
    lines += _guards(plan)
    lines += [f"Note: {printable(note)}" for note in plan.notes]
    return "\n".join(lines)


def _steps(steps: Iterable[Step]) -> list[str]:
    lines = ["Steps, in this order"]
    for step in steps:
        lines.append(f"  {step.op} (line {step.line}): {_names(step.layers)}")
        lines += [f"      {line}" for line in _marks(marks(step))]
        if step.remark:
            lines.append(f"      {step.remark}")
    return lines


def _marks(found: list[Mark]) -> Iterator[str]:
    """Many equal changes are one line: `~ 17 layers  trainable: false`."""
    groups = Counter((mark.sign, mark.text) for mark in found)
    told: set[tuple[str, str]] = set()
    rows = []
    for mark in found:
        group = (mark.sign, mark.text)
        if groups[group] <= MOST_MARKS:
            rows.append((f"{mark.sign} {mark.path}", mark.text))
        elif group not in told:
            told.add(group)
            rows.append((f"{mark.sign} {groups[group]} layers", mark.text))
    yield from table(rows)


def _weights(plan: Plan) -> list[str]:
    kept, others = ledger_summary(plan)
    lines = [f"  {count(number)} variables {source}, bit for bit" for number, source in kept]
    return lines + table(
        ((line.path, variable_text(line), shape(list(line.shape)), line.source) for line in others), indent="  "
    )


def _totals(plan: Plan) -> list[str]:
    return table((f"{word}:", change(before, after)) for word, (before, after) in totals(plan).items())


def _stages(plan: Plan) -> list[str]:
    training = plan.recipe.training
    lines = ["", f"Trains on {training.backend}"] if training and training.backend else []
    for stage in plan.stages:
        number = count(stage.trainable_parameters)
        lines += ["", f"Stage {printable(stage.name)}: trains {number} parameters"]
        for step in stage.steps:
            lines.append(f"  {step.op} (line {step.line}): {_names(step.layers)}")
        if stage.normalization:
            lines.append(f"  batch normalization: {stage.normalization}")
        lines.append(f"  {printable(stage.prefix.described)}")
        if stage.saving:
            lines.append(f"    {printable(stage.saving.described)}")
        lines += table(_rates(stage), indent="  ")
        if not stage.optimizer.is_plain:
            lines.append(f"  optimizer: {printable(stage.optimizer.described)}")
            lines += table(
                ((line.path, variable_text(line), line.source) for line in told_state(stage)), indent="      "
            )
    return lines


def _guards(plan: Plan) -> Iterator[str]:
    """Each guard with what it does, below one heading."""
    if plan.guards:
        yield from ("", "Guards against forgetting, in every stage")
    for guard in plan.guards:
        yield f"  {guard.kind} (line {guard.line}): {guard.setting}"
        yield from (f"      {printable(sentence)}" for sentence in guard.described)


def _rates(stage: StagePlan) -> Iterator[tuple[str, str]]:
    for rate, paths in rate_groups(stage).items():
        yield rate_text(rate), _names(paths)


def _names(layers: tuple[str, ...]) -> str:
    shown = ", ".join(layers[:MOST_NAMES])
    more = f" and {len(layers) - MOST_NAMES} more ({len(layers)} layers)" if len(layers) > MOST_NAMES else ""
    return printable(shown + more)
