"""Laws that hold for every selector on every model."""

from __future__ import annotations

import copy
import fnmatch
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from surgery.model.select import explain, read_selector, select
from surgery.model.select.glob import Glob
from surgery.model.spec import ModelSpec
from tests.model.graphs import ACTIVATIONS, CLASSES, random_models

NAMES = st.sampled_from([f"l{number}" for number in range(9)])
PATHS = NAMES | st.builds("{}/{}".format, NAMES, NAMES) | st.sampled_from(["*", "l?", "*/*", "**", "l[1-3]", "**/l1"])
ENDS = NAMES | st.integers(-9, 8)
LEAVES = (
    PATHS
    | st.integers(-9, 8)
    | st.fixed_dictionaries({"from": ENDS, "to": ENDS})
    | st.fixed_dictionaries({"first": st.integers(1, 5)})
    | st.fixed_dictionaries({"last": st.integers(1, 5)})
    | st.fixed_dictionaries({"class": st.sampled_from(CLASSES)})
    | st.fixed_dictionaries({"regex": st.sampled_from(["^l[12]", "/", "3$"])})
    | st.fixed_dictionaries({"config": st.fixed_dictionaries({"activation": st.sampled_from(ACTIVATIONS)})})
    | st.fixed_dictionaries({"upstream_of": NAMES})
    | st.fixed_dictionaries({"downstream_of": NAMES})
    | st.builds(lambda a, b: {"between": [a, b]}, NAMES, NAMES)
)


def _compound(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    listed = st.lists(parts, min_size=1, max_size=3)
    return (
        listed
        | st.fixed_dictionaries({"any": listed})
        | st.fixed_dictionaries({"all": listed})
        | st.fixed_dictionaries({"not": parts})
        | st.fixed_dictionaries({"last": st.integers(1, 4), "of": parts})
        | st.fixed_dictionaries({"upstream_of": parts})
    )


SELECTORS = st.recursive(LEAVES, _compound, max_leaves=6)
FLAT = random_models(depth=0)


def chosen(spec: ModelSpec, value: Any) -> set[str]:
    return set(select(spec, read_selector(value), allow_empty=True))


@given(random_models(), SELECTORS)
def test_in_order_once_and_pure(spec: ModelSpec, value: Any) -> None:
    before = copy.deepcopy(value)
    selector = read_selector(value)
    paths = select(spec, selector, allow_empty=True)
    walked = [path for path, _ in spec.walk()]
    assert list(paths) == [path for path in walked if path in set(paths)]
    assert paths == select(spec, selector, allow_empty=True)
    assert value == before


@given(random_models(), SELECTORS, SELECTORS)
def test_any_is_union_and_all_is_intersection(spec: ModelSpec, a: Any, b: Any) -> None:
    assert chosen(spec, [a, b]) == chosen(spec, [b, a]) == chosen(spec, {"any": [a, b]})
    assert chosen(spec, {"all": [a, b]}) == chosen(spec, {"all": [b, a]})
    assert chosen(spec, [a, a]) == chosen(spec, a) == chosen(spec, {"all": [a, a]})


@given(random_models(), LEAVES, LEAVES)
def test_without_not_they_are_those_of_sets(spec: ModelSpec, a: Any, b: Any) -> None:
    assert chosen(spec, [a, b]) == chosen(spec, a) | chosen(spec, b)
    assert chosen(spec, {"all": [a, b]}) == chosen(spec, a) & chosen(spec, b)


@given(FLAT, SELECTORS)
def test_not_is_the_complement(spec: ModelSpec, a: Any) -> None:
    every = {path for path, _ in spec.walk()}
    assert chosen(spec, {"not": a}) == every - chosen(spec, a)


@given(random_models(), SELECTORS)
def test_not_shares_nothing_with_what_it_leaves_out(spec: ModelSpec, a: Any) -> None:
    left_out, rest = chosen(spec, a), chosen(spec, {"not": a})
    if not _negative(a):
        assert not left_out & rest
        assert not {path for path in rest for other in left_out if path.startswith(f"{other}/")}
        assert not {path for path in rest for other in left_out if other.startswith(f"{path}/")}


def _negative(value: Any) -> bool:
    """Whether there is a `not` that would be undone."""
    return "not" in str(value)


@given(random_models(), SELECTORS)
def test_not_twice_is_nothing(spec: ModelSpec, a: Any) -> None:
    assert chosen(spec, {"not": {"not": a}}) == chosen(spec, a)


@given(FLAT, SELECTORS, SELECTORS)
def test_de_morgan(spec: ModelSpec, a: Any, b: Any) -> None:
    assert chosen(spec, {"not": {"any": [a, b]}}) == chosen(spec, {"all": [{"not": a}, {"not": b}]})
    assert chosen(spec, {"not": {"all": [a, b]}}) == chosen(spec, {"any": [{"not": a}, {"not": b}]})


@given(random_models(depth=0), NAMES, NAMES)
def test_upstream_and_downstream_are_one_relation(spec: ModelSpec, a: str, b: str) -> None:
    if {a, b} <= {path for path, _ in spec.walk()}:
        assert (a in chosen(spec, {"upstream_of": b})) == (b in chosen(spec, {"downstream_of": a}))
        both = chosen(spec, {"all": [{"downstream_of": a}, {"upstream_of": b}]})
        assert chosen(spec, {"between": [a, b]}) == both


@given(random_models(), st.integers(1, 5), SELECTORS)
def test_first_and_last_are_slices(spec: ModelSpec, count: int, a: Any) -> None:
    within = select(spec, read_selector(a), allow_empty=True)
    assert chosen(spec, {"first": count, "of": a}) == set(within[:count])
    assert chosen(spec, {"last": count, "of": a}) == set(within[-count:])


@given(random_models(), SELECTORS)
def test_explain_agrees_with_select(spec: ModelSpec, a: Any) -> None:
    selector = read_selector(a)
    paths = select(spec, selector, allow_empty=True)
    for path, _ in spec.walk():
        first = explain(spec, path, selector)[0]
        assert first.matches == (path in paths)
        assert first.reason


@given(st.text("ab*?[]!-", max_size=8), st.text("ab-", max_size=8))
def test_globs_inside_a_level_are_those_of_fnmatch(pattern: str, name: str) -> None:
    if "**" not in pattern:
        assert Glob(pattern).matches(name) == (re.match(fnmatch.translate(pattern), name) is not None)
