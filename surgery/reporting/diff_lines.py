"""What the text and the Markdown of a diff have in common: its parts as rows of words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from surgery.model.changes import Diff, KeyChange, Statistics, VariableChange
from surgery.model.changes.difference import ABSENT, LayerEntry
from surgery.model.flow import flow
from surgery.reporting.call_text import call_text, called_text
from surgery.reporting.table import change, count, shape

LONGEST_VALUE = 60
MODEL = "(the model)"
WORDS = {"position": "its position", "layers inside": "the layers inside"}
"""By what a layer was recognised; equal weights are not mentioned."""


@dataclass(frozen=True, slots=True)
class Row:
    """One change of one layer. `+` added, `-` removed, `~` changed, `>` renamed."""

    sign: str
    path: str
    text: str


def rows(diff: Diff) -> Iterator[Row]:
    """Every change but those of weights: structure first."""
    for entry in diff.removed:
        yield Row("-", entry.path, _entry(entry.class_name, entry))
    for entry in diff.added:
        yield Row("+", entry.path, _entry(call_text(entry.class_name, entry.arguments), entry))
    for rename in diff.renamed:
        how = "" if rename.by in ("weights", "name") else f", by {WORDS.get(rename.by, rename.by)}"
        yield Row(">", rename.new, f"was {rename.old}{how}")
    for wiring in diff.rewired:
        yield Row("~", wiring.path, f"inputs: {_names(wiring.old)} -> {_names(wiring.new)}")
    for config in diff.changed:
        for value in config.values:
            yield Row("~", config.path or MODEL, _value(value))
    for flag in diff.trainability:
        yield Row("~", flag.path or MODEL, f"trainable: {flow(flag.old)} -> {flow(flag.new)}")


def _entry(text: str, entry: LayerEntry) -> str:
    counted = f", {count(entry.parameters)} parameters" if entry.parameters else ""
    read = f", reads {_names(entry.inputs)}" if entry.inputs else ""
    return f"{text}{counted}{read}{called_text(entry.calls)}"


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:6])
    return f"{shown}, and {len(names) - 6} more" if len(names) > 6 else shown or "nothing"


def _value(value: KeyChange) -> str:
    return f"{value.key}: {_shown(value.old)} -> {_shown(value.new)}"


def _shown(value: Any) -> str:
    text = "absent" if value is ABSENT else flow(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def summary(diff: Diff) -> str:
    """One line: how many of what."""
    if diff.identical:
        return f"No differences: {_equal(diff)}."
    counts = {
        "added": diff.added,
        "removed": diff.removed,
        "changed": diff.changed,
        "renamed": diff.renamed,
        "rewired": diff.rewired,
        "frozen": [flag for flag in diff.trainability if flag.old],
        "unfrozen": [flag for flag in diff.trainability if flag.new],
    }
    layers = ", ".join(f"{len(found)} {word}" for word, found in counts.items() if found)
    weights = f"{count(len(diff.weights))} {'variable' if len(diff.weights) == 1 else 'variables'} not equal"
    parts = [f"layers: {layers}"] if layers else []
    return "; ".join([*parts, *([weights] if diff.weights else []), _equal(diff)])


def _equal(diff: Diff) -> str:
    how = "equal bit for bit" if diff.values_compared else "of equal shape (values were not compared)"
    return f"{count(diff.equal_variables)} {'variable' if diff.equal_variables == 1 else 'variables'} {how}"


def weight_cells(weight: VariableChange) -> tuple[str, str, str, str, str]:
    """Layer, variable, shape, what became of it, how far it moved."""
    inside = weight.key.rpartition("vars/")[0]
    return weight.path, f"{inside}{weight.variable}", _shape(weight), weight.status, _moved(weight.statistics)


def _shape(weight: VariableChange) -> str:
    old, new = (None if one is None else list(one) for one in (weight.old_shape, weight.new_shape))
    shapes = shape(new if old is None else old) if old == new or None in (old, new) else f"{shape(old)} -> {shape(new)}"
    dtypes = f" {weight.old_dtype} -> {weight.new_dtype}" if _changes_dtype(weight) else ""
    return shapes + dtypes


def _changes_dtype(weight: VariableChange) -> bool:
    return None not in (weight.old_dtype, weight.new_dtype) and weight.old_dtype != weight.new_dtype


def _moved(found: Statistics | None) -> str:
    if found is None:
        return ""
    norm = "from zero" if math.isinf(found.relative_norm) else f"by {percent(found.relative_norm)} of its norm"
    cosine = "" if math.isnan(found.cosine) else f", cosine {found.cosine:.4f}"
    return f"moved {norm}{cosine}, {percent(found.share)} of its entries"


def percent(share: float) -> str:
    """Three digits; never 0 % or 100 % for what is only near them."""
    if math.isnan(share):
        return "an unknown part"
    if 0 < share < 0.0001:
        return "< 0.01 %"
    if 0.9999 < share < 1:
        return "> 99.99 %"
    return f"{share * 100:.3g} %"


def totals(diff: Diff) -> list[tuple[str, str]]:
    """Parameters, trainable parameters and bytes, before and after."""
    old, new = diff.old, diff.new
    before, after = diff.file_size
    files = [] if before is None or after is None else [("bytes of the file", change(before, after))]
    return [
        ("parameters", change(old.parameters, new.parameters)),
        ("trainable parameters", change(old.trainable_parameters, new.trainable_parameters)),
        ("bytes of weights", change(*diff.size)),
        *files,
    ]
