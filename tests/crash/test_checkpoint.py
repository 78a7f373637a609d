"""A checkpoint that fails at any operation of its writing leaves the one before it or the new one, whole; the next one is written."""

from __future__ import annotations

import errno
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgery.errors import FileUnreadable
from surgery.model.archive.staging import leftovers
from surgery.training.resuming.bundle import read_bundle, read_head, write_bundle
from surgery.training.resuming.key import require_key
from tests.crash.faults import CRASHED, Faults, in_a_copy, injected

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

OLD = {"variables": {"dense 0": np.arange(6, dtype="float32").reshape(2, 3)}, "underway": None}
NEW = {
    "variables": {"dense 0": np.ones((2, 3), "float32"), "seed 0": np.arange(2, dtype="uint32")},
    "underway": [1, (2.5, "x")],
}


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


def test_every_operation_may_fail_or_be_the_last(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"

    def act() -> None:
        write_bundle(path, {"where": "new"}, NEW)

    require_key()  # the first run of a user makes it
    with injected(Faults()) as counted:
        act()
    kept = [name for name in counted.names if name in ("fsync", "replace")]
    assert kept == ["fsync", "replace", "fsync"]
    for k in range(1, len(counted.names) + 1):
        for fault in (Faults(k, errno.ENOSPC), Faults(k, errno.EIO), Faults(k), Faults(k, before=False)):
            write_bundle(path, {"where": "old"}, OLD)
            with warnings.catch_warnings(), injected(fault):
                if fault.error is None:
                    assert in_a_copy(act) == CRASHED
                else:
                    with suppress(OSError):
                        act()
            head, value = read_bundle(path)
            assert same(value, OLD if head["where"] == "old" else NEW)
            act()
            assert same(read_bundle(path), ({"where": "new"}, NEW))
            list(leftovers(tmp_path, remove=True))
            assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint"]


def test_what_was_not_written_so_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    write_bundle(path, {"where": "new"}, NEW)
    data = path.read_bytes()
    with np.load(path) as opened:  # a person may look into it
        assert same(opened["0"], NEW["variables"]["dense 0"])
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(FileUnreadable):
            read_bundle(path)
    refused = 0
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 16
        path.write_bytes(changed)
        try:
            assert same(read_bundle(path), ({"where": "new"}, NEW))
            assert read_head(path) == {"where": "new"}
        except FileUnreadable:
            refused += 1
    assert refused > len(data) / 3 / 2


@pytest.mark.parametrize("value", [{1, 2}, {1: 2}, object(), np.array([None]), 1j])
def test_what_cannot_be_kept_is_said(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be kept"):
        write_bundle(tmp_path / "checkpoint", {}, [value])
    assert list(tmp_path.iterdir()) == []
