"""Every rule is needed by a test, every code has an explanation and a hostile file."""

from __future__ import annotations

from surgery.model.scan import catalogue
from tests.hostile import HOSTILE
from tests.model.scan.each_rule_matters import losses

NOTES = {"class-compiled", "hdf5-unread"}
"""Rules that refuse nothing; `test_compiled.py` and `test_unread.py` have their files."""


def test_without_any_rule_some_hostile_file_is_not_named() -> None:
    assert [loss.code for loss in losses() if not loss.unnamed and loss.code not in NOTES] == []


def test_every_code_is_explained_and_has_a_hostile_file() -> None:
    elsewhere = {"file-changed", "scan-failed", "scan-crashed", "scan-memory"}
    codes = catalogue()
    assert all(explanation.endswith(".") and len(explanation) > 40 for explanation in codes.values())
    assert {case.code for case in HOSTILE.values()} == set(codes) - elsewhere - NOTES


def test_at_least_eighty_hostile_files() -> None:
    assert len(HOSTILE) >= 80
