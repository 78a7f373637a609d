"""The report of a run in Markdown, made from its `run.json` alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from surgery.reporting.evidence_text import evidence_lines
from surgery.reporting.forgetting import forgetting_table, guard_table
from surgery.reporting.markdown import code, escape, folded, markdown_table
from surgery.reporting.run_curves import curves_of, sparkline
from surgery.reporting.run_words import (
    computed_once,
    epochs,
    metric,
    precision_note,
    seconds,
    status_sentence,
    unmoved_note,
)
from surgery.reporting.table import change, count

Document = Mapping[str, Any]


def run_report(document: Document, image: str | None) -> str:
    """The report.

    Args:
        document: What `run.json` holds.
        image: The file with the curves, relative to the report.
    """
    parts = [f"# {escape(document['recipe']['name'])}", status_sentence(document, escape)]
    if description := document["recipe"]["description"]:
        parts.insert(1, escape(description))
    for title, body in (
        ("Before and after", _evaluation(document)),
        ("Guards against forgetting", _guards(document)),
        ("The model", _model(document)),
        ("Evidence", _evidence(document)),
        ("Training", _training(document, image)),
        ("Data", _data(document)),
        ("Where and how", _circumstances(document)),
    ):
        if body:
            parts += [f"## {title}", body]
    return "\n\n".join(parts) + "\n"


def _evaluation(document: Document) -> str:
    spared = [f"- {escape(sentence)}" for sentence in document.get("spared", ())]
    return "\n\n".join(part for part in (_table(*forgetting_table(document)), "\n".join(spared)) if part)


def _guards(document: Document) -> str:
    return _table(*guard_table(document))


def _table(head: list[str], rows: list[list[str]]) -> str:
    return (
        markdown_table([escape(cell) for cell in head], [[escape(cell) for cell in row] for row in rows])
        if rows
        else ""
    )


def _model(document: Document) -> str:
    plan = document["plan"]
    lines = [
        f"- source: {code(plan['source']['model'])}",
        *([f"- result: {code(document['outputs']['model'])}"] if document["outputs"]["model"] else []),
        f"- parameters: {change(**plan['parameters'])}",
    ]
    lines += [f"- line {step['line']}: {escape(step['op'])}, {_layers(step['layers'])}" for step in plan["steps"]]
    return "\n".join(lines)


def _evidence(document: Document) -> str:
    found = document.get("evidence")
    return "\n".join(f"- {line}" for line in evidence_lines(found, escape)) if found else ""


def _layers(paths: list[str]) -> str:
    named = ", ".join(code(path) for path in paths[:5])
    return named if len(paths) <= 5 else f"{named} and {count(len(paths) - 5)} more"


def _training(document: Document, image: str | None) -> str:
    if not document["stages"]:
        return ""
    parts = [f"![Curves of the training]({image})"] if image else []
    rows = [
        (escape(curve.name), sparkline(curve.training), sparkline(curve.validation), *_ends(curve.training))
        for curve in curves_of(document)
    ]
    if rows:
        parts.append(markdown_table(("metric", "training", "validation", "first epoch", "last epoch"), rows))
    parts += _stages(document)
    return "\n\n".join(parts)


def _ends(values: tuple[float | None, ...]) -> tuple[str, str]:
    return metric(values[0]), metric(values[-1])


def _optimizers(document: Document) -> dict[str, str]:
    """What the optimizer of each stage starts from, where it is no matter of course."""
    planned = document["plan"].get("stages", [])
    texts = {stage["name"]: stage.get("optimizer_state", "") for stage in planned}
    return {name: text for name, text in texts.items() if name != planned[0]["name"] or "goes on" in text}


def _stages(document: Document) -> Iterator[str]:
    states = _optimizers(document)
    for stage in document["stages"]:
        records = stage["epochs"]
        early = f" of {stage['epochs_asked']}" if stage["ended_early"] else ""
        summary = (
            f"{stage['name']}, {epochs(len(records))}{early}, {count(stage['trainable_parameters'])} trainable "
            f"parameters, {seconds(stage['seconds'])}"
        )
        names = list(dict.fromkeys(name for epoch in records for name in epoch["metrics"]))
        rows = [
            (str(epoch["epoch"]), *(metric(epoch["metrics"].get(name)) for name in names), seconds(epoch["seconds"]))
            for epoch in records
        ]
        if stage.get("reused"):
            yield f"{escape(stage['name'])}: an earlier run has done it."
        elif told := computed_once(stage):
            yield f"{escape(stage['name'])}: {escape(told)}."
        for told in (precision_note(stage), unmoved_note(stage)):
            if told:
                yield f"{escape(stage['name'])}: {escape(told)}{'' if told.endswith('?') else '.'}"
        if stage["name"] in states:
            yield f"{escape(stage['name'])}: {escape(states[stage['name']])}."
        yield folded(summary, markdown_table(("epoch", *map(escape, names), "time"), rows))


def _data(document: Document) -> str:
    rows = [(escape(name), count(one["examples"]), _classes(one["classes"])) for name, one in document["data"].items()]
    return markdown_table(("data", "examples", "of each class"), rows) if rows else ""


def _classes(classes: Mapping[str, int]) -> str:
    if not classes:
        return ""
    counts = classes.values()
    return f"{len(classes)} classes, {count(min(counts))} to {count(max(counts))} each"


def _circumstances(document: Document) -> str:
    versions = ", ".join(f"{escape(name)} {escape(version)}" for name, version in document["versions"].items())
    lines = [
        f"- device: {escape(document['device'])}, precision {escape(document['precision'])}",
        f"- seed: {document['seed']}",
        f"- versions: {versions}",
        *(f"- time: {escape(name)} {seconds(value)}" for name, value in document["timings"].items()),
        *(f"- resumed: {escape(one['when'])}, at {escape(one['from'])}" for one in document.get("resumed", [])),
        *(f"- {escape(note)}" for note in document["notes"]),
    ]
    digests = [(escape(name), code(digest)) for name, digest in document["digests"].items()]
    table = folded("sha256 of what went in and came out", markdown_table(("what", "sha256"), digests))
    return "\n".join(lines) + "\n\n" + table
