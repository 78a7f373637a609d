"""Which layer of one model is which layer of the other: by content first, then by name, then by the neighbours.

Names alone mislead: a Dense that is inserted takes the name `dense`, and every later one moves to the next number. So within
each level a layer is paired, in this order, with the one that

1. has its name and its content (class, config, the same bits in its variables);
2. has its content under another name, if the values are no constants;
3. has its name and similar values;
4. has similar values under another name;
5. is the same layer by class and config, and is fed by and feeds the same layers;
6. for nested models: has mostly the same layers inside;
7. has its name;
8. is the same layer by class and config, and is fed by, or feeds, the same layers.

Where values are compared, nothing that has variables is found by its place: a head with fresh weights, in the place of one of
its kind, is another layer. Then nested models are paired inside, and what is left is looked for by content at the other levels.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from itertools import chain, islice

from surgery.model.changes.configs import class_of, without_name
from surgery.model.changes.difference import Evidence
from surgery.model.changes.variables import Variables, shapes
from surgery.model.fingerprint import canonical_json
from surgery.model.spec import LayerSpec, ModelSpec, join_path, split_path

ALIKE = 0.5
"""Least likeness of the values of a layer before and after training. Fresh values are near 0."""
MOSTLY = 0.5
MOST_LIKENESSES = 200_000
"""Layers of one class and shape whose values are compared at one level: the time would grow with the square of their number."""
MOST_CANDIDATES = 100
"""Layers of one kind at one place whose values are looked at for one layer."""

Item = tuple[str, LayerSpec]
Test = Callable[[Item, Item], bool]


class Pairing:
    """For each layer of the old model that the new one still has its path there, found level by level."""

    def __init__(self, old: ModelSpec, new: ModelSpec, variables: Variables) -> None:
        self.variables = variables
        self.found: dict[str, str] = {}
        self.taken: dict[str, Evidence] = {}
        """By what each layer of the new model that has a partner was recognised."""
        self._content: dict[tuple[int, str], bytes | None] = {}
        self._kind: dict[tuple[int, str], bytes] = {}
        self._level(old, new, "", "")
        self._across_levels(old, new)

    def _take(self, old: str, new: str, by: Evidence) -> None:
        self.found[old] = new
        self.taken[new] = by

    def _level(self, old: ModelSpec, new: ModelSpec, inside_old: str, inside_new: str) -> None:
        level = _Level(self, old, new, inside_old, inside_new)
        level.pair()
        for path, layer in level.old:
            partner = self.found.get(path)
            if layer.inner and partner is not None:
                inner = new.by_name[split_path(partner)[1]].inner
                if inner:
                    self._level(layer.inner, inner, path, partner)

    def _across_levels(self, old: ModelSpec, new: ModelSpec) -> None:
        free = [item for item in nodes(new) if item[0] not in self.taken and not item[1].inner]
        by_probe: dict[bytes, list[Item]] = defaultdict(list)
        for item in free:
            probe = self.content(1, item)
            if probe is not None:
                by_probe[probe].append(item)
        for item in nodes(old):
            if by_probe and item[0] not in self.found and not item[1].inner:
                self.by_content(item, by_probe)

    def by_content(self, item: Item, by_probe: dict[bytes, list[Item]]) -> None:
        """Pairs a layer with the first free one that has the same values; one with the same config is preferred."""
        probe = self.content(0, item)
        if probe is None or probe not in by_probe:
            return
        free = by_probe[probe] = self.free(by_probe[probe])
        kind = self.kind(0, item)
        alike = (other for other in free if self.kind(1, other) == kind)
        others = (other for other in free if self.kind(1, other) != kind)
        for other in chain(alike, others):
            if class_of(item[1]) == class_of(other[1]) and self.variables.all_equal(item, other):
                self._take(item[0], other[0], "weights")
                return

    def free(self, candidates: list[Item]) -> list[Item]:
        """Those of the new model that have no partner yet."""
        return [item for item in candidates if item[0] not in self.taken]

    def content(self, side: int, item: Item) -> bytes | None:
        key = (side, item[0])
        if key not in self._content:
            self._content[key] = self.variables.probe(side, *item)
        return self._content[key]

    def kind(self, side: int, item: Item) -> bytes:
        """Class, config and shapes of variables."""
        key = (side, item[0])
        if key not in self._kind:
            layer = item[1]
            self._kind[key] = canonical_json([class_of(layer), without_name(layer), shapes(layer)])
        return self._kind[key]

    def is_alike(self, old: Item, new: Item) -> bool | None:
        """Whether the values of two layers are alike; None when there are none, or they tell nothing."""
        if class_of(old[1]) != class_of(new[1]) or _sizes(old[1]) != _sizes(new[1]):
            return False
        likeness = self.variables.likeness(old, new)
        return None if likeness is None else likeness >= ALIKE

    def may_be(self, old: Item, new: Item) -> bool:
        """Whether values, where there are any, do not speak against two layers being the same."""
        if not old[1].weights or not self.variables.has_values:
            return True
        is_alike = self.is_alike(old, new)
        return self.variables.all_equal(old, new) if is_alike is None else is_alike


class _Level:
    """Pairs the layers of two models with each other, nested models as one layer each."""

    def __init__(self, pairing: Pairing, old: ModelSpec, new: ModelSpec, inside_old: str, inside_new: str) -> None:
        self.pairing = pairing
        self.old = [(join_path(inside_old, layer.name), layer) for layer in old.layers]
        self.new = [(join_path(inside_new, layer.name), layer) for layer in new.layers]
        self._old_edges = _Neighbours(old, inside_old)
        self._new_edges = _Neighbours(new, inside_new)

    def pair(self) -> None:
        self._by_name(self._is_same)
        self._by_content()
        self._by_name(lambda old, new: self.pairing.is_alike(old, new) is True)
        self._by_likeness()
        self._by_neighbours(both=True)
        self._by_inside()
        self._by_name(lambda old, new: True)
        self._by_neighbours(both=False)

    def _free_old(self) -> Iterator[Item]:
        return (item for item in self.old if item[0] not in self.pairing.found)

    def _free_new(self) -> Iterator[Item]:
        return (item for item in self.new if item[0] not in self.pairing.taken)

    def _by_name(self, test: Test) -> None:
        named = {item[1].name: item for item in self._free_new()}
        for item in list(self._free_old()):
            other = named.get(item[1].name)
            if other is not None and test(item, other):
                self.pairing._take(item[0], other[0], "name")

    def _is_same(self, old: Item, new: Item) -> bool:
        if old[1].inner or new[1].inner:
            return bool(old[1].inner and new[1].inner)
        if class_of(old[1]) != class_of(new[1]) or not self.pairing.variables.all_equal(old, new):
            return False
        return self.pairing.kind(0, old) == self.pairing.kind(1, new) or self.pairing.content(0, old) is not None

    def _by_content(self) -> None:
        if not self.pairing.variables.has_values:
            return
        by_probe: dict[bytes, list[Item]] = defaultdict(list)
        for item in self._free_new():
            probe = self.pairing.content(1, item)
            if probe is not None:
                by_probe[probe].append(item)
        for item in list(self._free_old()):
            if by_probe and self.pairing.content(0, item) is not None:
                self.pairing.by_content(item, by_probe)

    def _by_likeness(self) -> None:
        if not self.pairing.variables.has_values:
            return
        by_shapes: dict[object, list[Item]] = defaultdict(list)
        for item in self._free_new():
            by_shapes[class_of(item[1]), _sizes(item[1])].append(item)
        looks = MOST_LIKENESSES
        for item in list(self._free_old()):
            key = class_of(item[1]), _sizes(item[1])
            by_shapes[key] = self.pairing.free(by_shapes[key])
            for other in by_shapes[key][:looks] if item[1].weights else ():
                looks -= 1
                if self.pairing.is_alike(item, other) is True:
                    self.pairing._take(item[0], other[0], "similar weights")
                    break

    def _by_neighbours(self, both: bool) -> None:
        """Until nothing more is found: a pair makes neighbours of it known."""
        candidates = _Candidates(self._new_edges, self.pairing, list(self._free_new()))
        waiting = deque(self._free_old())
        items = {item[0]: item for item in waiting}
        while waiting:
            item = waiting.popleft()
            path = item[0]
            if path in self.pairing.found or item[1].inner:
                continue
            feeders, readers = self._old_edges.feeders[path], self._old_edges.readers[path]
            place = (
                [self.pairing.found.get(name) for name in feeders],
                [self.pairing.found.get(name) for name in readers],
            )
            other = candidates.at(item, *place, both=both)
            if other is not None:
                self.pairing._take(path, other[0], "position")
                waiting.extend(items[name] for name in (*feeders, *readers) if name in items)

    def _by_inside(self) -> None:
        """Pairs nested models that have most of their layers in common."""
        models = {path: layer for path, layer in self._free_new() if layer.inner}
        parts = {path: _parts(layer) for path, layer in models.items()}
        for path, layer in list(self._free_old()):
            if layer.inner:
                mine = _parts(layer)
                free = (other for other in parts if other not in self.pairing.taken)
                best, partner = max(((_share(mine, parts[other]), other) for other in free), default=(0.0, ""))
                if best > MOSTLY and self._holds_the_same((path, layer), (partner, models[partner])):
                    self.pairing._take(path, partner, "layers inside")

    def _holds_the_same(self, old: Item, new: Item) -> bool:
        """Whether most of the layers with variables that two nested models have by one path hold the same or similar values."""
        inside = dict(nodes(new[1].inner, new[0])) if new[1].inner else {}
        pairs = [
            (item, (other, inside[other]))
            for item in (nodes(old[1].inner, old[0]) if old[1].inner else ())
            if item[1].weights and (other := f"{new[0]}{item[0].removeprefix(old[0])}") in inside
        ]
        return sum(self.pairing.may_be(*both) for both in pairs) >= MOSTLY * len(pairs)


class _Candidates:
    """Layers without a partner, by what they are and by what feeds or reads them."""

    def __init__(self, edges: _Neighbours, pairing: Pairing, items: list[Item]) -> None:
        self._edges = edges
        self._pairing = pairing
        self._rank = {item[0]: number for number, item in enumerate(items)}
        self._fed: dict[object, list[Item]] = defaultdict(list)
        self._read: dict[object, list[Item]] = defaultdict(list)
        for item in items:
            kind = pairing.kind(1, item)
            self._fed[kind, tuple(edges.feeders[item[0]])].append(item)
            self._read[kind, frozenset(edges.readers[item[0]])].append(item)

    def at(self, old: Item, feeders: list[str | None], readers: list[str | None], *, both: bool) -> Item | None:
        """The first one like a layer that is fed and read by these; with `both` left out, one of the two is enough."""
        kind = self._pairing.kind(0, old)
        fed, read = (
            self._first(old, self._fed, (kind, tuple(feeders)), set(readers) if both else None),
            None if both else self._first(old, self._read, (kind, frozenset(readers)), None),
        )
        return min((item for item in (fed, read) if item), key=lambda item: self._rank[item[0]], default=None)

    def _first(
        self, old: Item, table: dict[object, list[Item]], key: object, readers: set[str | None] | None
    ) -> Item | None:
        if key not in table:
            return None
        table[key] = self._pairing.free(table[key])
        fits = (item for item in table[key] if readers is None or readers == set(self._edges.readers[item[0]]))
        looked_at = islice(fits, MOST_CANDIDATES)
        return next((item for item in looked_at if self._pairing.may_be(old, item)), None)


class _Neighbours:
    """Which layers feed each layer of one model, and which ones read it, by path."""

    def __init__(self, model: ModelSpec, inside: str) -> None:
        self.feeders: dict[str, list[str]] = {}
        self.readers: dict[str, list[str]] = defaultdict(list)
        for layer in model.layers:
            path = join_path(inside, layer.name)
            feeders = [join_path(inside, name) for name in layer.inbound]
            self.feeders[path] = feeders
            for feeder in feeders:
                self.readers[feeder].append(path)


def _sizes(layer: LayerSpec) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The shapes of its variables, whatever their dtypes."""
    return tuple((key, shape) for key, shape, _ in shapes(layer))


def _parts(layer: LayerSpec) -> set[object]:
    """What a nested model is made of: name, class and shapes of its layers."""
    return {(node.name, class_of(node), shapes(node)) for node in layer.inner.layers} if layer.inner else set()


def _share(one: set[object], other: set[object]) -> float:
    """How much two nested models have in common."""
    return len(one & other) / max(len(one), len(other), 1)


def nodes(model: ModelSpec, inside: str = "") -> Iterator[Item]:
    """Every node with its path: listed layers, bare operations, hidden inputs; a nested model before its own."""
    for layer in model.layers:
        path = join_path(inside, layer.name)
        yield path, layer
        if layer.inner:
            yield from nodes(layer.inner, path)
