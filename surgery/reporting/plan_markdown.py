"""A plan as Markdown that GitHub renders: totals first, details folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from surgery.planning import Plan, StagePlan, Step
from surgery.reporting.markdown import code, escape, folded, markdown_table
from surgery.reporting.plan_lines import (
    ledger_summary,
    marks,
    rate_groups,
    rate_text,
    told_state,
    totals,
    variable_text,
)
from surgery.reporting.table import change, count, shape


def plan_markdown(plan: Plan) -> str:
    """The whole plan for a pull request."""
    kept, others = ledger_summary(plan)
    number = sum(number for number, _ in kept)
    parts = [
        f"### Plan of {escape(plan.recipe.name)}",
        f"From {code(plan.source.described)}.",
        markdown_table(("", "before -> after"), [(w, change(b, a)) for w, (b, a) in totals(plan).items()]),
        "\n".join(_step(step) for step in plan.steps) or "No operations: the network stays as it is.",
        f"**Weights**: {count(number)} variables kept, bit for bit; {count(len(others))} not.",
    ]
    if others:
        rows = [
            (code(line.path), escape(variable_text(line)), shape(list(line.shape)), escape(line.source))
            for line in others
        ]
        parts.append(folded(f"{len(others)} variables", markdown_table(("layer", "variable", "shape", "source"), rows)))
    if plan.recipe.training and plan.recipe.training.backend:
        parts.append(f"Trains on {code(plan.recipe.training.backend)}.")
    parts += [*_stages(plan), *_guards(plan)]
    parts += [f"> {escape(note)}" for note in plan.notes]
    return "\n\n".join(parts) + "\n"


def _stages(plan: Plan) -> Iterator[str]:
    if not plan.stages:
        return
    stages = [
        (escape(s.name), _names(s.steps), count(s.trainable_parameters), escape(s.normalization or "-"))
        for s in plan.stages
    ]
    yield markdown_table(("stage", "begins with", "trains parameters", "batch normalization"), stages)
    yield "\n".join(line for stage in plan.stages for line in _told(stage))
    states = [
        (escape(s.name), code(line.path), escape(variable_text(line)), escape(line.source))
        for s in plan.stages
        for line in told_state(s)
    ]
    if states:
        yield folded("Optimizer state", markdown_table(("stage", "layer", "variable", "source"), states))
    paces = [
        (escape(s.name), rate_text(r), escape(", ".join(p))) for s in plan.stages for r, p in rate_groups(s).items()
    ]
    if paces:
        yield folded("Rates of their own", markdown_table(("stage", "rate", "layers"), paces))


def _told(stage: StagePlan) -> Iterator[str]:
    """What a stage computes once, what that saves, and what its optimizer goes on with."""
    yield f"- **{escape(stage.name)}**: {escape(stage.prefix.described)}"
    if stage.saving:
        yield f"  - {escape(stage.saving.described)}"
    if not stage.optimizer.is_plain:
        yield f"  - {escape(stage.optimizer.described)}"


def _guards(plan: Plan) -> Iterator[str]:
    if plan.guards:
        rows = [
            (escape(f"{g.kind} (line {g.line})"), escape(g.setting), escape("; ".join(g.described)))
            for g in plan.guards
        ]
        yield markdown_table(("guard against forgetting", "setting", "what it does"), rows)


def _step(step: Step) -> str:
    lines = [f"- **{step.op}** (line {step.line}): {_layers(step)}"]
    lines += [f"  - {code(mark.sign)} {code(mark.path)} {escape(mark.text)}".rstrip() for mark in marks(step)[:20]]
    hidden = len(marks(step)) - 20
    return "\n".join([*lines, *([f"  - and {hidden} more"] if hidden > 0 else [])])


def _names(steps: Iterable[Step]) -> str:
    found: Sequence[str] = [f"{step.op} {_layers(step)}" for step in steps]
    return ", ".join(found) or "-"


def _layers(step: Step) -> str:
    return "1 layer" if len(step.layers) == 1 else f"{len(step.layers)} layers"
