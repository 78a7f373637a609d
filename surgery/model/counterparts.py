"""Which variable of a layer is which of another form of it, or of another layer of its class.

Keras stores variables by number, and the numbers shift with the config: without a scale, the first variable of a
BatchNormalization is beta. What stays is Keras' own name of the variable, within the part of the layer that holds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from surgery.model.spec import WeightSpec

Identity = tuple[str, str]
"""The part of the layer (`query_dense/`, empty for the layer itself), and the name of the variable in it."""


def counterparts(weights: Sequence[WeightSpec], others: Sequence[WeightSpec]) -> Mapping[str, WeightSpec]:
    """For each variable that has one, by its key, the other that is the same.

    A class that no shape rule knows has numbers for names, which tell no more than the keys.
    """
    if not (_are_named(weights) and _are_named(others)):
        by_key = {other.key: other for other in others}
        return {weight.key: by_key[weight.key] for weight in weights if weight.key in by_key}
    known = {identity(other): other for other in others}
    return {weight.key: known[identity(weight)] for weight in weights if identity(weight) in known}


def identity(weight: WeightSpec) -> Identity:
    """What stays of a variable when the config of its layer changes."""
    return weight.key.rpartition("vars/")[0], weight.name


def _are_named(weights: Sequence[WeightSpec]) -> bool:
    found = Counter(map(identity, weights))
    return all(count == 1 and not name.isdecimal() for (_, name), count in found.items())
