"""Every hostile file is refused with its own code; one for each code through the real child, the others without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from surgery.model.scan import Finding, Status, scan
from surgery.model.scan.examine import examine, opened
from tests.hostile import HOSTILE

BROKEN = {"scan-failed", "scan-crashed", "scan-memory", "scan-timeout"}
FIRST = {case.code: name for name, case in reversed(HOSTILE.items())}
"""The first hostile file of each code."""


def judged(name: str, path: Path) -> list[Finding]:
    code = HOSTILE[name].code
    if name == FIRST[code] or code.startswith("file-"):
        verdict = scan(path, seconds=4 if code == "scan-timeout" else 15)
        assert verdict.status is not Status.ACCEPTED
        return list(verdict.findings)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return examine(opened(descriptor), ())
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_with_its_code(name: str, tmp_path: Path) -> None:
    code = HOSTILE[name].code
    codes = {finding.code for finding in judged(name, HOSTILE[name].build(tmp_path))}
    assert code in codes
    assert not codes & (BROKEN - {code})
