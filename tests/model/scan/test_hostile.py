"""Every hostile file is refused, with its own code, by a scan that touches nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.model.scan import Status, scan
from tests.hostile import HOSTILE

BROKEN = {"scan-failed", "scan-crashed", "scan-memory", "scan-timeout"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_with_its_code(name: str, tmp_path: Path) -> None:
    case = HOSTILE[name]
    verdict = scan(case.build(tmp_path), seconds=4 if case.code == "scan-timeout" else 15)
    codes = {finding.code for finding in verdict.findings}
    assert verdict.status is not Status.ACCEPTED
    assert case.code in codes
    assert not codes & (BROKEN - {case.code})
