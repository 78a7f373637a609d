"""A run as one HTML file: the graph before and after, what was measured, how it was trained, where every value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from surgery.errors import printable
from surgery.model.spec import ModelSpec
from surgery.planning import Plan
from surgery.reporting.forgetting import forgetting_table, guard_table
from surgery.reporting.graph_svg import draw
from surgery.reporting.graph_view import GraphView, graph_view
from surgery.reporting.page_html import Block, Page, Section, Total, page_html
from surgery.reporting.page_layers import Row, layer_rows, value_text
from surgery.reporting.plan_lines import variable_text
from surgery.reporting.run_curves import curves_of, curves_svg
from surgery.reporting.run_words import (
    computed_once,
    epochs,
    metric,
    precision_note,
    seconds,
    status_sentence,
    unmoved_note,
)
from surgery.reporting.table import count, shape

LEGEND = ("added", "removed", "changed", "renamed", "unfrozen", "frozen")
SILENT = {"name", "trainable"}

Document = Mapping[str, Any]
Parts = dict[str, list[tuple[str, list[Row]]]]


def run_html(document: Document, plan: Plan) -> str:
    """The whole file.

    Args:
        document: What `run.json` holds.
        plan: The plan that was carried out.
    """
    before, after = plan.source.spec, plan.final
    old, new = graph_view(before), graph_view(after)
    kinds, gone = _kinds(old, new)
    parts = _ledger_parts(plan)
    sentence = status_sentence(document, printable).replace("**", "")
    description = document["recipe"]["description"]
    shown = {*map(gone.get, old.boxes), *map(kinds.get, new.boxes)}
    return page_html(
        Page(
            title=printable(document["recipe"]["name"]),
            lead=[printable(description)] if description else [],
            state=("good" if document["status"] == "done" else "bad", sentence),
            totals=list(_totals(document, plan)),
            drawings=(draw("Before", old, gone), draw("After", new, kinds)),
            layers=(layer_rows(old, gone, {}), layer_rows(new, kinds, parts | _changes(old, new, parts))),
            legend=[word for word in LEGEND if word in shown],
            sections=[section for section in _sections(document, plan) if section.blocks],
            footer=f"Written by surgery run, {printable(document['began'])}. This file fetches nothing.",
        )
    )


def _kinds(old: GraphView, new: GraphView) -> tuple[dict[str, str], dict[str, str]]:
    """What became of each layer, by its path in the result and by its path in the source."""
    kinds: dict[str, str] = {}
    gone = dict.fromkeys(old.boxes, "removed")
    for path, layer in new.boxes.items():
        source = old.boxes.get(layer.origin or "")
        if source is None or layer.origin is None:
            kinds[path] = "added"
            continue
        gone.pop(layer.origin, None)
        word = ""
        if source.trainable != layer.trainable and layer.weights:
            word = "unfrozen" if layer.trainable else "frozen"
        if layer.origin != path:
            word = "renamed"
        if _config(source.config) != _config(layer.config):
            word = "changed"
        if word:
            kinds[path] = gone[layer.origin] = word
    return kinds, gone


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in SILENT}


def _changes(old: GraphView, new: GraphView, parts: Parts) -> Parts:
    """The constructor arguments with other values, before what else is said of a layer."""
    found: Parts = {}
    for path, layer in new.boxes.items():
        source = old.boxes.get(layer.origin or "")
        if source is None:
            continue
        keys = [key for key in {**source.config, **layer.config} if source.config.get(key) != layer.config.get(key)]
        rows: list[Row] = [
            (key, f"{value_text(source.config.get(key))} -> {value_text(layer.config.get(key))}") for key in keys
        ]
        if rows:
            found[path] = [("What changed", rows), *parts.get(path, [])]
    return found


def _ledger_parts(plan: Plan) -> Parts:
    found: Parts = {}
    for line in plan.ledger:
        parts = found.setdefault(line.path, [("Where the values come from", [])])
        parts[0][1].append((variable_text(line), line.source))
    return found


def _totals(document: Document, plan: Plan) -> Iterator[Total]:
    before, after = plan.source.spec, plan.final
    for name, old, new in (
        ("layers", len(before.listed), len(after.listed)),
        ("parameters", before.parameters, after.parameters),
        ("trainable parameters", before.trainable_parameters, after.trainable_parameters),
    ):
        yield Total(name, count(new), f"was {count(old)}" if old != new else "unchanged")
    if document["stages"]:
        number = sum(len(stage["epochs"]) for stage in document["stages"])
        yield Total("training", seconds(sum(stage["seconds"] for stage in document["stages"])), epochs(number))


def _sections(document: Document, plan: Plan) -> Iterator[Section]:
    yield Section("Before and after", _table(*forgetting_table(document)))
    yield Section("Guards against forgetting", _table(*guard_table(document)))
    yield Section("Training", list(_training(document)))
    yield Section("What was done", _steps(document))
    yield Section("Where the values come from", _ledger(plan, plan.final))
    yield Section("Data", _data(document))
    yield Section("Where and how", _circumstances(document))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Block]:
    shown = [tuple(map(printable, row)) for row in rows]
    return [Block(head=tuple(map(printable, head)), rows=shown)] if rows else []


def _training(document: Document) -> Iterator[Block]:
    if curves_of(document):
        yield Block(picture=Markup(curves_svg(document) or ""))
    for stage in document["stages"]:
        records = stage["epochs"]
        names = list(dict.fromkeys(name for epoch in records for name in epoch["metrics"]))
        rows = [
            (str(one["epoch"]), *(metric(one["metrics"].get(name)) for name in names), seconds(one["seconds"]))
            for one in records
        ]
        early = f" of {stage['epochs_asked']}" if stage["ended_early"] else ""
        trained = f"{count(stage['trainable_parameters'])} trainable parameters"
        trained += ", done by an earlier run" if stage.get("reused") else ""
        folded = f"{printable(stage['name'])}: {epochs(len(records))}{early}, {trained}, {seconds(stage['seconds'])}"
        notes = [told for told in (computed_once(stage), precision_note(stage), unmoved_note(stage)) if told]
        if notes:
            yield Block(lines=[printable(f"{stage['name']}: {told}") for told in notes])
        yield Block(head=("epoch", *map(printable, names), "time"), rows=rows, folded=folded)


def _steps(document: Document) -> list[Block]:
    plan = document["plan"]
    rows = [(step["op"], str(step["line"]), _names(step["layers"])) for step in plan["steps"]]
    for stage in plan.get("stages", []):
        rows += [
            (f"{step['op']} (stage {stage['name']})", str(step["line"]), _names(step["layers"]))
            for step in stage["steps"]
        ]
    shown = [tuple(map(printable, row)) for row in rows]
    return [Block(head=("operation", "line", "layers"), rows=shown)] if shown else []


def _names(paths: Sequence[str]) -> str:
    named = ", ".join(paths[:8])
    return named if len(paths) <= 8 else f"{named} and {count(len(paths) - 8)} more"


def _ledger(plan: Plan, final: ModelSpec) -> list[Block]:
    head = ("layer", "variable", "shape", "source")
    rows = [
        (line.is_kept, (line.path, variable_text(line), shape(list(line.shape)), line.source)) for line in plan.ledger
    ]
    kept = [tuple(map(printable, row)) for is_kept, row in rows if is_kept]
    others = [tuple(map(printable, row)) for is_kept, row in rows if not is_kept]
    trained = sum(bool(layer.weights) and layer.trainable for _, layer in final.walk())
    told = f"{count(len(kept))} variables begin as they are in the source, bit for bit; {count(len(others))} do not."
    note = f"{count(trained)} layers were trained after that." if plan.stages else "Nothing was trained after that."
    return [
        Block(lines=(told, note)),
        *([Block(head=head, rows=others)] if others else []),
        *([Block(head=head, rows=kept, folded=f"{count(len(kept))} variables kept")] if kept else []),
    ]


def _data(document: Document) -> list[Block]:
    rows = [
        (printable(name), count(one["examples"]), str(len(one["classes"]) or "-"))
        for name, one in document["data"].items()
    ]
    return [Block(head=("data", "examples", "classes"), rows=rows)] if rows else []


def _circumstances(document: Document) -> list[Block]:
    versions = [(printable(name), printable(text)) for name, text in document["versions"].items()]
    rows = [
        ("device", f"{document['device']}, precision {document['precision']}"),
        ("seed", str(document["seed"])),
        *versions,
        *((f"time: {name}", seconds(value)) for name, value in document["timings"].items()),
    ]
    digests = [(printable(name), digest) for name, digest in document["digests"].items()]
    return [
        *([Block(lines=[printable(note) for note in document["notes"]])] if document["notes"] else []),
        Block(head=("", ""), rows=[tuple(map(printable, row)) for row in rows]),
        Block(head=("what", "sha256"), rows=digests, folded="sha256 of what went in and came out"),
        *(
            [Block(head=("the recipe",), rows=[(line,) for line in _text(document)], folded="the recipe")]
            if _text(document)
            else []
        ),
    ]


def _text(document: Document) -> list[str]:
    return [printable(line).replace(" ", "\u00a0") for line in document["recipe"]["text"].splitlines()]
