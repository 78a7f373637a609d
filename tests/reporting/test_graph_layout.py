"""Where boxes and edges go: no two boxes over one another, everything below what feeds it, no edge through a box."""

from __future__ import annotations

import itertools
import random

import pytest

from surgery.reporting.graph_layout import ACROSS, HEIGHT, WIDTH, Layout, layout

Graph = tuple[list[str], list[tuple[str, str]]]


def random_graph(seed: int) -> Graph:
    chance = random.Random(seed)
    nodes = [f"n{number}" for number in range(chance.randrange(1, 40))]
    edges = [
        (nodes[chance.randrange(number)], nodes[number])
        for number in range(1, len(nodes))
        for _ in range(chance.choice((1, 1, 1, 2, 3)))
    ]
    return nodes, edges


def apart(found: Layout) -> bool:
    places = list(found.centres.values())
    return all(
        abs(x0 - x1) >= WIDTH + ACROSS - 0.01 or abs(y0 - y1) >= HEIGHT
        for number, (x0, y0) in enumerate(places)
        for x1, y1 in places[:number]
    )


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs(seed: int) -> None:
    nodes, edges = random_graph(seed)
    found = layout(nodes, edges)
    assert apart(found)
    assert set(found.centres) == set(nodes)
    assert set(found.ways) == set(edges)
    for (start, end), way in found.ways.items():
        assert found.centres[start][1] < found.centres[end][1]
        assert all(one[1] <= other[1] for one, other in itertools.pairwise(way))
    for x, y in found.centres.values():
        assert WIDTH / 2 - 0.01 <= x <= found.width - WIDTH / 2 + 0.01
        assert y <= found.height
    assert layout(nodes, edges) == found


@pytest.mark.parametrize("seed", range(25))
def test_no_edge_passes_through_a_box(seed: int) -> None:
    found = layout(*random_graph(seed))
    for way in found.ways.values():
        for x, y in way[1:-1]:
            assert all(abs(x - a) >= WIDTH / 2 or abs(y - b) > HEIGHT / 2 + 0.01 for a, b in found.centres.values())


def test_a_chain_is_straight() -> None:
    found = layout(["a", "b", "c"], [("a", "b"), ("b", "c")])
    assert len({x for x, _ in found.centres.values()}) == 1


def test_cycles_and_nothing_at_all() -> None:
    found = layout(["a", "b"], [("a", "b"), ("b", "a"), ("a", "a")])
    assert found.centres["a"][1] < found.centres["b"][1]
    assert set(found.ways) == {("a", "b"), ("b", "a")}
    assert layout([], []).centres == {}


def test_a_second_input_stands_above_what_it_feeds() -> None:
    found = layout(["a", "b", "c", "late", "d"], [("a", "b"), ("b", "c"), ("c", "d"), ("late", "d")])
    assert found.centres["late"][1] == found.centres["c"][1]
