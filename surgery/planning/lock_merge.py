"""Three locks become one, fact by fact: what git asks for when two branches changed the same lock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from surgery.planning.lock import FIRST_LINE, FORMAT, OUTPUT, OUTPUT_OF, SECOND_LINE, Lock, digest_of, fact_line


@dataclass(frozen=True)
class Merged:
    """The text of the merged lock, the facts that both sides changed in different ways, and what is to be said."""

    text: str
    conflicts: tuple[str, ...]
    notes: tuple[str, ...]


def merge_locks(base: Lock, ours: Lock, theirs: Lock) -> Merged:
    """Takes every fact that one side changed.

    Outputs are those of one run and are not mixed: they stay when they were made from the merged inputs.
    """
    facts: dict[str, str] = {}
    conflicts: dict[str, tuple[str | None, str | None]] = {}
    names = sorted(name for name in {*base.facts, *ours.facts, *theirs.facts} if not name.startswith(OUTPUT))
    for name in names:
        before, one, other = (side.facts.get(name) for side in (base, ours, theirs))
        if one == other or other == before:
            chosen = one
        elif one == before:
            chosen = other
        else:
            conflicts[name] = (one, other)
            continue
        if chosen is not None:
            facts[name] = chosen
    notes = []
    if not conflicts:
        outputs = _outputs(Lock(facts), ours, theirs)
        facts |= outputs
        if not outputs and (ours.outputs or theirs.outputs):
            notes.append("no side's outputs are of the merged inputs, so they are left out: surgery run --lock RECIPE")
    oldest = min(side.format for side in (ours, theirs))
    if oldest < FORMAT:
        notes.append(f"a side has a lock of format {oldest}, which sees less: write it anew: surgery lock RECIPE")
    return Merged(_text(facts, conflicts), tuple(conflicts), tuple(notes))


def _outputs(merged: Lock, ours: Lock, theirs: Lock) -> dict[str, str]:
    digest = digest_of(merged.inputs)
    return next((side.outputs for side in (ours, theirs) if side.outputs.get(OUTPUT_OF) == digest), {})


def _text(facts: dict[str, str], conflicts: dict[str, tuple[str | None, str | None]]) -> str:
    lines = [FIRST_LINE, SECOND_LINE]
    for name in sorted({*facts, *conflicts}):
        lines += _conflict(name, *conflicts[name]) if name in conflicts else [fact_line(name, facts[name])]
    return "\n".join(lines) + "\n"


def _conflict(name: str, ours: str | None, theirs: str | None) -> Iterator[str]:
    yield "<<<<<<< ours"
    if ours is not None:
        yield fact_line(name, ours)
    yield "======="
    if theirs is not None:
        yield fact_line(name, theirs)
    yield ">>>>>>> theirs"
