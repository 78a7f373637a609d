"""Some random recipes on random models in every run of the tests; thousands in `make promise`."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.promise.fuzz import fuzz
from tests.promise.models import random_model
from tests.promise.recipes import OPERATIONS, Writer

pytestmark = pytest.mark.keras


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@pytest.mark.timeout(600)
def test_what_is_planned_is_what_is_written(tmp_path: Path) -> None:
    tally = fuzz(tmp_path, 60, seed=5)
    assert not tally.faults, "\n".join(tally.faults)
    assert tally.ends["applied"] > 20, tally


def test_recipes_are_the_same_for_a_seed() -> None:
    first, second = (Writer(Random(1), random_model(Random(7))).entries() for _ in range(2))
    assert first == second


def test_every_operation_is_tried() -> None:
    from surgery.operations import registry

    assert set(OPERATIONS) == set(registry())


@pytest.mark.promise
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@pytest.mark.timeout(6 * 3600)
def test_five_thousand_recipes(tmp_path: Path) -> None:
    tally = fuzz(tmp_path, 5_000, seed=0)
    print(tally)
    assert not tally.faults, "\n".join(tally.faults)
    assert tally.ends["applied"] > 1_500
    assert sum(count for end, count in tally.ends.items() if end.startswith("no model")) < 20
