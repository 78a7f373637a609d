"""Which layer of one model is which layer of the other: by content first, then by name, then by the neighbours.

Names alone mislead: a Dense that is inserted takes the name `dense`, and every later one moves to the next number. So within
each level a layer is paired, in this order, with the one that

1. has its name and its content (class, config, the same bits in its variables);
2. has its content under another name, if the values are no constants;
3. has its name and similar values;
4. has similar values under another name;
5. is the same layer by class, config and shapes, and is fed by and feeds the same layers;
6. for nested models: has mostly the same layers inside;
7. has its name;
8. is the same layer by class, config and shapes, and is fed by, or feeds, the same layers.

Then nested models are paired inside, and what is left is looked for by content at the other levels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from surgery.model.changes.configs import class_of, without_name
from surgery.model.changes.variables import Variables, shapes
from surgery.model.fingerprint import canonical_json
from surgery.model.spec import LayerSpec, ModelSpec, join_path, split_path

ALIKE = 0.5
"""Least cosine between the values of a layer before and after training. Fresh values are near 0."""
MOSTLY = 0.5

Item = tuple[str, LayerSpec]
Test = Callable[[Item, Item], bool]


def pair(old: ModelSpec, new: ModelSpec, variables: Variables) -> dict[str, str]:
    """For each layer of the old model that the new one still has: its path there."""
    return Pairing(old, new, variables).found


class Pairing:
    """Finds the pairs, level by level."""

    def __init__(self, old: ModelSpec, new: ModelSpec, variables: Variables) -> None:
        self.variables = variables
        self.found: dict[str, str] = {}
        self.taken: set[str] = set()
        self._content: dict[tuple[int, str], bytes | None] = {}
        self._kind: dict[tuple[int, str], bytes] = {}
        self._level(old, new, "", "")
        self._across_levels(old, new)

    def _take(self, old: str, new: str) -> None:
        self.found[old] = new
        self.taken.add(new)

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
        free = [other for other in by_probe.get(probe or b"", ()) if other[0] not in self.taken]
        free.sort(key=lambda other: self.kind(0, item) != self.kind(1, other))
        for other in free:
            if class_of(item[1]) == class_of(other[1]) and self.variables.all_equal(item, other):
                self._take(item[0], other[0])
                return

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
        if class_of(old[1]) != class_of(new[1]) or shapes(old[1]) != shapes(new[1]):
            return False
        likeness = self.variables.likeness(old, new)
        return None if likeness is None else likeness >= ALIKE


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
                self.pairing._take(item[0], other[0])

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
            by_shapes[class_of(item[1]), shapes(item[1])].append(item)
        for item in list(self._free_old()):
            for other in by_shapes[class_of(item[1]), shapes(item[1])]:
                if other[0] not in self.pairing.taken and self.pairing.is_alike(item, other) is True:
                    self.pairing._take(item[0], other[0])
                    break

    def _by_neighbours(self, both: bool) -> None:
        """Repeats until nothing more is found: a pair makes neighbours of it known."""
        by_kind: dict[bytes, list[Item]] = defaultdict(list)
        for item in self._free_new():
            by_kind[self.pairing.kind(1, item)].append(item)
        before = -1
        while before != len(self.pairing.found):
            before = len(self.pairing.found)
            for item in list(self._free_old()):
                candidates = by_kind.get(self.pairing.kind(0, item), ())
                other = next((other for other in candidates if self._are_neighbours_same(item, other, both)), None)
                if other is not None:
                    self.pairing._take(item[0], other[0])

    def _are_neighbours_same(self, old: Item, new: Item, both: bool) -> bool:
        if new[0] in self.pairing.taken or old[1].inner or self.pairing.is_alike(old, new) is False:
            return False
        found = self.pairing.found
        fed = [found.get(path) for path in self._old_edges.feeders[old[0]]] == self._new_edges.feeders[new[0]]
        read = {found.get(path) for path in self._old_edges.readers[old[0]]} == set(self._new_edges.readers[new[0]])
        return (fed and read) if both else (fed or read)

    def _by_inside(self) -> None:
        """Pairs nested models that have most of their layers in common."""
        for path, layer in list(self._free_old()):
            shared = [(_common(layer, other), other_path) for other_path, other in self._free_new()]
            best, partner = max(shared, default=(0.0, ""))
            if best > MOSTLY:
                self.pairing._take(path, partner)


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


def _common(one: LayerSpec, other: LayerSpec) -> float:
    """The share of layers that two nested models have in common, by name, class and shapes; 0 for other layers."""
    if not (one.inner and other.inner):
        return 0.0
    first, second = (
        {(n.name, class_of(n), shapes(n)) for n in layer.inner.layers} for layer in (one, other) if layer.inner
    )
    return len(first & second) / max(len(first), len(second), 1)


def nodes(model: ModelSpec, inside: str = "") -> Iterator[Item]:
    """Every node with its path: listed layers, bare operations, hidden inputs; a nested model before its own."""
    for layer in model.layers:
        path = join_path(inside, layer.name)
        yield path, layer
        if layer.inner:
            yield from nodes(layer.inner, path)
