"""Models, plans, diffs and runs as pieces of HTML for notebooks: what their text says, as tables. No style, no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from surgery.errors import printable
from surgery.model.changes import Diff
from surgery.model.listing import rows as layer_rows
from surgery.model.notebook import notebook_html
from surgery.model.spec import ModelSpec
from surgery.planning import Plan
from surgery.reporting.diff_lines import rows as diff_rows
from surgery.reporting.diff_lines import summary, weight_cells
from surgery.reporting.diff_lines import totals as diff_totals
from surgery.reporting.plan_lines import ledger_summary, marks, totals, variable_text
from surgery.reporting.run_words import metric, status_sentence
from surgery.reporting.table import change, count, shape

SHOWN = 12


@notebook_html.register
def model_html(model: ModelSpec) -> str:
    """Name, totals, and the layers; the middle of a long model is folded."""
    head = ("", "layer", "class", "output", "parameters", "trainable")
    cells = [
        (
            str(row["index"]),
            row["path"],
            row["class_name"],
            shape(row["output_shape"]),
            count(row["parameters"]),
            _flag(row),
        )
        for row in layer_rows(model)
    ]
    told = f"{model.class_name}, {len(cells)} layers, {count(model.parameters)} parameters, "
    told += f"{count(model.trainable_parameters)} of them trainable"
    return _block(model.name, told, _folded(head, cells, "layers"))


def _flag(row: Mapping[str, Any]) -> str:
    return ("yes" if row["trainable"] else "no") if row["parameters"] else ""


@notebook_html.register
def plan_html(plan: Plan) -> str:
    """The steps with their marks, the totals, and the variables that are not simply kept."""
    steps = [
        (f"{step.op} (line {step.line})" if number == 0 else "", mark.sign, mark.path, mark.text)
        for step in plan.steps
        for number, mark in enumerate(marks(step)[:SHOWN])
    ]
    kept, others = ledger_summary(plan)
    weights = [(line.path, variable_text(line), shape(list(line.shape)), line.source) for line in others]
    told = f"from {plan.source.described}; {count(sum(number for number, _ in kept))} variables kept, bit for bit"
    return _block(
        f"Plan of {plan.recipe.name}",
        told,
        _table(("", "before -> after"), [(word, change(*both)) for word, both in totals(plan).items()]),
        _table(("operation", "", "layer", ""), steps),
        _folded(("layer", "variable", "shape", "source"), weights, "variables that are not kept"),
    )


@notebook_html.register
def diff_html(diff: Diff) -> str:
    """The summary, the totals, the layers, and the variables folded."""
    layers = [(row.sign, row.path, row.text) for row in diff_rows(diff)]
    weights = [weight_cells(weight) for weight in diff.weights]
    return _block(
        "Diff",
        summary(diff),
        _table(("", "before -> after"), diff_totals(diff)),
        _folded(("", "layer", "change"), layers, "changes"),
        _folded(("layer", "variable", "shape", "", "how far"), weights, "variables"),
    )


def run_html(document: Mapping[str, Any]) -> str:
    """How a run ended, what was measured, and where to look next."""
    measured = [
        (one["evaluation"], one["metric"], metric(one["before"]), metric(one["after"]))
        for one in document["evaluation"]
    ]
    written = [(name, str(path)) for name, path in document["outputs"].items() if path]
    return _block(
        document["recipe"]["name"],
        status_sentence(document, str).replace("**", ""),
        _table(("evaluation", "metric", "before", "after"), measured),
        _table(("written", ""), written),
    )


def _block(title: str, told: str, *parts: Markup) -> str:
    head = Markup("<div><strong>{}</strong><div>{}</div>").format(printable(title), printable(told))
    return str(head + Markup("").join(parts) + Markup("</div>"))


def _folded(head: Sequence[str], rows: Sequence[Sequence[str]], what: str) -> Markup:
    """A short table as it is; of a long one both ends, and all of it folded."""
    if len(rows) <= 2 * SHOWN:
        return _table(head, rows)
    folded = Markup("<details><summary>all {} {}</summary>{}</details>").format(
        count(len(rows)), what, _table(head, rows)
    )
    middle = ("…", *[""] * (len(head) - 1))
    return _table(head, [*rows[:SHOWN], middle, *rows[-SHOWN:]]) + folded


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    body = Markup("").join(_row("td", row) for row in rows)
    return (
        Markup("<table><thead>{}</thead><tbody>{}</tbody></table>").format(_row("th", head), body)
        if body
        else Markup("")
    )


def _row(tag: str, cells: Sequence[str]) -> Markup:
    written = (
        Markup(f"<{tag} style='text-align:left'>") + escape(printable(cell)) + Markup(f"</{tag}>") for cell in cells
    )
    return Markup("<tr>") + Markup("").join(written) + Markup("</tr>")
