"""What a part of a selector matched, so that it can be cut and joined with other parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Matches:
    """A set of layers, or (`complement`) all layers but a set.

    `levels` are the levels that were looked at, every level when None; a complement that is not cut with anything
    else is taken over them.
    """

    paths: frozenset[str]
    levels: frozenset[str] | None
    complement: bool = False

    def __and__(self, other: Matches) -> Matches:
        levels = _joined(self.levels, other.levels)
        match self.complement, other.complement:
            case False, False:
                return Matches(self.paths & other.paths, levels)
            case False, True:
                return Matches(self.paths - other.paths, self.levels)
            case True, False:
                return other & self
            case _:
                return Matches(self.paths | other.paths, levels, complement=True)

    def __or__(self, other: Matches) -> Matches:
        levels = _joined(self.levels, other.levels)
        match self.complement, other.complement:
            case False, False:
                return Matches(self.paths | other.paths, levels)
            case False, True:
                return Matches(other.paths - self.paths, levels, complement=True)
            case True, False:
                return other | self
            case _:
                return Matches(self.paths & other.paths, levels, complement=True)


def _joined(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return None if one is None or other is None else one | other
