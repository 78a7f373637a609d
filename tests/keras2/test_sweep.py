"""Files of Keras 2 against Keras 2: what surgery makes of them computes the same in Keras 3, or is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.keras2.cases import Case, cases
from tests.keras2.sweep import Outcome, outcome
from tests.keras2.table import PAGE, page

pytestmark = pytest.mark.keras2

CASES = list(cases())
SUFFIXES = (".h5", ".keras")


@pytest.fixture(scope="module")
def outcomes() -> dict[tuple[str, str], Outcome]:
    """What the tests of this run found, by case and suffix."""
    return {}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_computes_what_keras_2_computes(
    case: Case, suffix: str, tmp_path: Path, outcomes: dict[tuple[str, str], Outcome]
) -> None:
    found = outcomes[case.name, suffix] = outcome(case, tmp_path, suffix)
    if case.refused:
        assert found.kind == "refused", found
        assert case.refused in found.text
    else:
        assert found.kind == "equal", found


def test_no_two_cases_have_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_table_in_the_docs_is_what_was_found(
    outcomes: dict[tuple[str, str], Outcome], request: pytest.FixtureRequest
) -> None:
    """`--snapshot-update` writes it anew."""
    if len(outcomes) < len(CASES) * len(SUFFIXES):
        pytest.skip("only a part of the cases ran")
    text = page(CASES, outcomes)
    if request.config.option.update_snapshots:
        PAGE.write_text(text)
    assert PAGE.read_text() == text
