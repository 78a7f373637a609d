"""Thousands of layers that are all the same, under other names: the time grows with their number, not with its square."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from surgery.model.spec import LayerSpec
from tests.model.graphs import layer
from tests.model.test_changes import Dense, build, compare, dense

MANY = 4_000


def in_a_row(name: str, count: int) -> list[LayerSpec]:
    return [layer(f"{name}{n}", "Dropout", f"{name}{n - 1}" if n else "x", rate=0.1) for n in range(count)]


def side_by_side(name: str, count: int) -> list[LayerSpec]:
    many = [layer(f"{name}{n}", "Dropout", "x", rate=0.1) for n in range(count)]
    return [*many, layer("sum", "Add", *(one.name for one in many))]


def backwards(name: str, count: int) -> list[LayerSpec]:
    """Written in the order in which each partner is known only after the next one."""
    return [*reversed(in_a_row(name, count)), layer("end", "Flatten", f"{name}{count - 1}")]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("shaped", [in_a_row, side_by_side, backwards])
def test_thousands_of_renamed_layers_without_weights(shaped: Callable[[str, int], list[LayerSpec]]) -> None:
    found = compare(build(*shaped("a", MANY)), build(*shaped("b", MANY)))
    assert len(found.renamed) in (0, MANY)
    assert len(found.added) == len(found.removed) == MANY - len(found.renamed)


@pytest.mark.timeout(60)
def test_thousands_of_renamed_layers_with_the_same_values() -> None:
    def many(name: str) -> list[Dense]:
        return [dense(f"{name}{n}", f"{name}{n - 1}" if n else "x", seed=1) for n in range(MANY // 4)]

    found = compare(build(*many("a")), build(*many("b")))
    assert [change.old for change in found.renamed] == [f"a{n}" for n in range(MANY // 4)]
    assert not found.added
