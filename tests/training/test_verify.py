"""A lock that was written with some instructions of the CPU, and verified with others: what is said is true, and leads somewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training import small
from tests.training.resuming.test_runs_resumed import RECIPE

pytestmark = pytest.mark.keras

ALL, FEW = {"ONEDNN_MAX_CPU_ISA": "DEFAULT"}, {"ONEDNN_MAX_CPU_ISA": "AVX2"}


def surgery(folder: Path, isa: dict[str, str], *arguments: str, status: int = 0) -> str:
    command = [sys.executable, "-P", "-m", "surgery", *arguments]
    environment = {**os.environ, **isa}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe, run and locked with all instructions; its first stage trains on features."""
    folder = tmp_path_factory.mktemp("locked")
    small.model().save(folder / "base.keras")
    data = small.examples(96)
    np.savez(folder / "data.npz", x=data.x[0], y=data.y[0])
    (folder / "recipe.yaml").write_text(RECIPE)
    surgery(folder, ALL, "run", "--lock", "recipe.yaml")
    return folder


def test_with_the_same_instructions_bits_are_asked_for(folder: Path) -> None:
    assert "bit for bit." in surgery(folder, ALL, "verify", "recipe.yaml")


def test_with_others_the_tolerances_hold_and_it_is_said_why(folder: Path) -> None:
    said = surgery(folder, FEW, "verify", "recipe.yaml")
    assert "outputs are as they are locked, within the lock's tolerances. Bits cannot be asked for:\n" in said
    (line,) = [line for line in said.splitlines() if line.startswith("  machine: was ")]
    assert line.endswith("ONEDNN_MAX_CPU_ISA=AVX2")


def test_a_run_with_the_lock_says_that_last_bits_may_differ(folder: Path) -> None:
    said = surgery(folder, FEW, "run", "--locked", "recipe.yaml")
    assert "Note: what goes in is as it is locked. What came out is of another machine (Linux" in said
    assert "last bits may differ" not in surgery(folder, ALL, "run", "--locked", "recipe.yaml")


def test_what_is_beyond_the_tolerances_names_what_is_another(folder: Path) -> None:
    lock = folder / "small.lock"
    kept = lock.read_text()
    lock.write_text(kept.replace('"tolerance norm" = "0.05"', '"tolerance norm" = "-1"'))
    try:
        said = surgery(folder, FEW, "verify", "recipe.yaml", status=4)
    finally:
        lock.write_text(kept)
    assert "bits cannot be asked for: " in said
    assert "machine: was " in said
    assert "or verify where the lock was written" in said


def test_a_run_that_was_locked_without_features_is_verified_without(folder: Path) -> None:
    kept = (folder / "small.lock").read_text()
    try:
        surgery(folder, FEW, "run", "--lock", "--no-cache", "recipe.yaml")
        assert '"output features stage head" = "none: the whole network"' in (folder / "small.lock").read_text()
        assert "bit for bit." in surgery(folder, FEW, "verify", "recipe.yaml")
    finally:
        (folder / "small.lock").write_text(kept)
