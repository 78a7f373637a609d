"""A commit that fails at any of its operations leaves the old artifact or the new one, whole; and the next run works."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from surgery import api
from surgery.errors import FileUnreadable, RunFailed
from surgery.model.archive import read_model
from surgery.model.archive.staging import leftovers
from surgery.planning import Plan
from surgery.training.folder import write_whole
from tests.crash.faults import CRASHED, Faults, in_a_copy, injected
from tests.networks import network
from tests.recipes_text import plan_of

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

OLD = "operations:\n  - {op: freeze, layers: dense}\n"
NEW = "operations:\n  - {op: rename, layers: {dense: denser}}\n"
SMALL = network({"Dense": {"units": 2, "name": "dense"}}, shape=(4,))


@dataclass(frozen=True)
class Commit:
    """A commit over an old artifact, and the bytes of both."""

    plan: Plan
    output: Path
    old: bytes
    new: bytes

    def act(self) -> None:
        api.apply_to_file(self.plan, self.output)

    def reset(self) -> None:
        self.output.write_bytes(self.old)

    def check(self) -> None:
        """One of the two is there, and the next run puts the new one there and leaves nothing else."""
        assert self.output.read_bytes() in (self.old, self.new)
        self.act()
        assert self.output.read_bytes() == self.new
        list(leftovers(self.output.parent, remove=True))
        assert [path.name for path in self.output.parent.iterdir()] == [self.output.name]


@pytest.fixture(scope="module")
def commit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commit]:
    folder = tmp_path_factory.mktemp("commit")
    output = folder / "build/out.keras"
    api.apply_to_file(plan_of(folder, OLD, SMALL), output)
    old = output.read_bytes()
    plan = plan_of(folder, NEW)
    api.apply_to_file(plan, output)
    yield Commit(plan, output, old, output.read_bytes())
    assert read_model(output).find("denser") is not None


@pytest.fixture(scope="module")
def operations(commit: Commit) -> list[str]:
    """Those of a commit in which nothing fails."""
    with injected(Faults()) as faults:
        commit.act()
    return faults.names


def test_a_commit_syncs_before_it_renames_and_syncs_the_folder(operations: list[str]) -> None:
    kept = [name for name in operations if name in ("fsync", "replace")]
    assert kept == ["fsync", "replace", "fsync"]
    assert len(operations) > 15


def failed(act: Callable[[], None]) -> RunFailed | None:
    try:
        act()
    except RunFailed as error:
        return error
    return None


@pytest.mark.parametrize("number", [errno.ENOSPC, pytest.param(errno.EIO, marks=pytest.mark.crash)])
def test_every_operation_may_fail(commit: Commit, operations: list[str], number: int) -> None:
    for k in range(1, len(operations) + 1):
        commit.reset()
        # FileUnreadable where it was the source that could not be opened.
        with injected(Faults(k, number)), suppress(FileUnreadable):
            failure = failed(commit.act)
            assert failure is None or "cannot be written" in failure.what
        commit.check()


@pytest.mark.parametrize("before", [True, pytest.param(False, marks=pytest.mark.crash)])
def test_every_operation_may_be_the_last(commit: Commit, operations: list[str], before: bool) -> None:
    for k in range(1, len(operations) + 1):
        commit.reset()
        with warnings.catch_warnings(), injected(Faults(k, before=before)):
            assert in_a_copy(commit.act) == CRASHED
        commit.check()


def texts(path: Path) -> tuple[Callable[[], None], bytes, bytes]:
    return lambda: write_whole(path, "new\n"), b"old\n", b"new\n"


def test_the_record_of_a_run_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    act, old, new = texts(path)
    path.write_bytes(old)
    with injected(Faults()) as faults:
        act()
    for k in range(1, len(faults.names) + 1):
        for fault in (Faults(k, errno.ENOSPC), Faults(k), Faults(k, before=False)):
            path.write_bytes(old)
            with injected(fault):
                if fault.error is None:
                    assert in_a_copy(act) == CRASHED
                else:
                    with suppress(RunFailed):
                        act()
            assert path.read_bytes() in (old, new)
            act()
            assert path.read_bytes() == new
            list(leftovers(tmp_path, remove=True))
            assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]
