"""Some mutated recipes are planned in every run of the tests; thousands in `make fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.plans import fuzz

LONGEST = 15.0
"""Seconds after which a plan counts as one that hangs."""


def test_mutated_recipes_are_planned_or_refused(tmp_path: Path) -> None:
    tally = fuzz(tmp_path, 150, seed=1)
    assert tally.faults == []
    assert tally.ends["planned"] > 20


@pytest.mark.fuzz
@pytest.mark.timeout(7200)
def test_twenty_thousand_plans(tmp_path: Path) -> None:
    tally = fuzz(tmp_path, 20_000, seed=2)
    print(tally)
    assert tally.faults == []
    assert tally.ends["planned"] > 2_000
    assert tally.slowest < LONGEST
