"""Any bytes are a recipe or are refused; nothing else comes out."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.recipe.mutations import fuzz, judge, mutations
from tests.recipe.recipes import GOOD

LONGEST = 15.0
"""Seconds after which a recipe counts as one that hangs."""

yaml_text = st.text(st.sampled_from("ab01{}[]:,-?!&*#|>'\"%@~\\ \n$<."), max_size=60)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    judge(data)


@given(yaml_text)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_of_the_characters_of_yaml(text: str) -> None:
    judge(text.encode())


@given(st.integers(0, GOOD.count("\n")), yaml_text)
def test_any_line_in_a_recipe(line: int, text: str) -> None:
    lines = GOOD.split("\n")
    judge("\n".join([*lines[:line], text, *lines[line:]]).encode())


def test_mutations_of_recipes() -> None:
    for data in islice(mutations(seed=1), 500):
        judge(data)


@pytest.mark.fuzz
@pytest.mark.timeout(7200)
def test_three_hundred_thousand_mutated_recipes() -> None:
    tally = fuzz(300_000, seed=2)
    print(tally)
    assert tally.good + tally.refused == 300_000
    assert tally.slowest < LONGEST
