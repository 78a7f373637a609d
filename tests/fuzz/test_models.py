"""A few mutated models in every run of the tests; thousands in `make fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.models import fuzz, mutants, seeds


def test_mutated_models_raise_nothing(tmp_path: Path) -> None:
    tally = fuzz(400, 1, tmp_path, 5.0)
    assert tally.faults == []
    assert tally.verdicts["not accepted"] > 100


def test_mutants_are_the_same_for_a_seed(tmp_path: Path) -> None:
    originals = seeds(tmp_path)[:3]
    assert list(mutants(5, 3, originals)) == list(mutants(5, 3, originals))


@pytest.mark.fuzz
@pytest.mark.timeout(7200)
def test_twenty_thousand_mutated_models(tmp_path: Path) -> None:
    tally = fuzz(20_000, 0, tmp_path)
    print(tally)
    assert tally.faults == []
