"""The order of operations: by phase; inside a phase as written, but for those that do not touch each other.

Operations on disjoint layers take the order of their layers in the model, so that any written order of them gives one and
the same plan.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from surgery.errors import SurgeryError
from surgery.model.graph import readers
from surgery.model.spec import ModelSpec, join_path, split_path
from surgery.operations import Operation, Phase


def phases(operations: Sequence[Operation]) -> list[tuple[Phase, list[int]]]:
    """The numbers of the operations of each phase, as written."""
    found: list[tuple[Phase, list[int]]] = []
    for phase in Phase:
        members = [number for number, operation in enumerate(operations) if operation.phase is phase]
        if members:
            found.append((phase, members))
    return found


def arranged(operations: Sequence[Operation], numbers: Sequence[int], phase: Phase, model: ModelSpec) -> list[int]:
    """The operations of one phase in the order in which they run.

    Args:
        operations: All operations of the recipe.
        numbers: Which of them belong to the phase, as written.
        phase: In the structure phase a neighbour counts as touched, too.
        model: The model at the beginning of the phase.
    """
    reach = {number: _reach(operations[number], phase, model) for number in numbers}
    waiting = {
        number: {earlier for earlier in numbers[:place] if _meet(reach[earlier], reach[number])}
        for place, number in enumerate(numbers)
    }
    place_of = {path: place for place, (path, _) in enumerate(model.walk())}
    keys = {number: _key(operations[number], reach[number], place_of, number) for number in numbers}
    ready = [(keys[number], number) for number in numbers if not waiting[number]]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, number = heapq.heappop(ready)
        order.append(number)
        for other, before in waiting.items():
            if number in before:
                before.remove(number)
                if not before:
                    heapq.heappush(ready, (keys[other], other))
    return order


@dataclass(frozen=True)
class _Reach:
    """The layers that an operation works on, and those with the layers next to them."""

    targets: frozenset[str]
    around: frozenset[str]


def _reach(operation: Operation, phase: Phase, model: ModelSpec) -> _Reach | None:
    """What an operation touches; None when that depends on what other operations do first."""
    try:
        targets = frozenset(operation.targets(model))
    except SurgeryError:
        return None
    if phase is not Phase.STRUCTURE:
        return _Reach(targets, targets)
    if not operation.names_layers():
        return None
    return _Reach(targets, targets | {near for path in targets for near in _neighbours(model, path)})


def _neighbours(model: ModelSpec, path: str) -> set[str]:
    inside, name = split_path(path)
    inner = model.model_at(inside)
    return {join_path(inside, each) for each in (*readers(inner, name), *inner.by_name[name].inbound)}


def _meet(one: _Reach | None, other: _Reach | None) -> bool:
    """Whether the written order of two operations may matter: on one layer, or on the edge between two."""
    return one is None or other is None or not one.targets.isdisjoint(other.around)


def _key(operation: Operation, reach: _Reach | None, place_of: Mapping[str, int], number: int) -> tuple[int, str, str]:
    if reach is None or not reach.targets:
        return (number, "", "")
    return (
        min(place_of.get(path, 0) for path in reach.targets),
        operation.op,
        operation.model_dump_json(by_alias=True),
    )
