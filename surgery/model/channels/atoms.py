"""Channels as numbers, and which of them are one and the same because an addition joins them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Atoms = NDArray[np.int64]
"""Channels by number, in the order of an axis; a flattened tensor has each of them many times."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The channels along one axis of a tensor, the batch being axis 0."""

    axis: int
    atoms: Atoms


class Joins:
    """A union-find over channels, and the reasons why some of them cannot be changed."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._reasons: list[tuple[Atoms, str]] = []

    def root(self, atom: int) -> int:
        """The channel that stands for all that are joined with this one."""
        path = []
        while (parent := self._parent.get(atom, atom)) != atom:
            path.append(atom)
            atom = parent
        for passed in path:
            self._parent[passed] = atom
        return atom

    def roots(self, atoms: Atoms) -> Atoms:
        return np.fromiter((self.root(atom) for atom in atoms.tolist()), np.int64, len(atoms))

    def join(self, one: Atoms, other: Atoms) -> None:
        """Says that the channels at equal places are the same."""
        if one is other:
            return
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            low, high = sorted((self.root(a), self.root(b)))
            if low != high:
                self._parent[high] = low

    def fix(self, atoms: Atoms, reason: str) -> None:
        """Says why channels cannot be changed."""
        self._reasons.append((atoms, reason))

    def reasons(self) -> Mapping[int, str]:
        """The first reason of each root that cannot be changed."""
        found: dict[int, str] = {}
        for atoms, reason in self._reasons:
            for root in set(self.roots(np.unique(atoms)).tolist()):
                found.setdefault(root, reason)
        return found


def positions(atoms: Atoms) -> dict[tuple[int, int], int]:
    """Where each channel is, and its further occurrences: `(channel, occurrence)` to place."""
    seen: dict[int, int] = {}
    places: dict[tuple[int, int], int] = {}
    for place, atom in enumerate(atoms.tolist()):
        count = seen.get(atom, 0)
        seen[atom] = count + 1
        places[atom, count] = place
    return places


def config_with(config: Mapping[str, Any], entry: str, place: int | None, value: int) -> Any:
    """A config entry with a number in it changed; in a list the one at `place`."""
    if place is None:
        return value
    values = list(config[entry])
    values[place] = value
    return values
