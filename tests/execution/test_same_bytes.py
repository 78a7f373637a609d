"""The same recipe gives the same bytes: in another folder, at another time, with another hash seed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.networks import classifier
from tests.recipes_text import write_recipe

KEPT = """\
operations:
  - {op: rename, layers: {dense: denser}}
  - {op: freeze, layers: {to: conv2}}
  - op: append
    layers: [{Activation: {activation: relu, name: last}}]
"""
FRESH = """\
operations:
  - op: replace
    layers: predictions
    with: [{Dense: {units: 3, kernel_initializer: orthogonal, name: letters}}, {Dropout: {rate: 0.5, name: drop}}]
"""


def applied(folder: Path, seed: str, zone: str) -> bytes:
    """What a process of its own writes there."""
    subprocess.run(
        [sys.executable, "-m", "surgery", "apply", "recipe.yaml", "-o", "out.keras"],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONHASHSEED": seed, "TZ": zone, "USER": f"user-{seed}"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    return (folder / "out.keras").read_bytes()


@pytest.mark.parametrize("body", [KEPT, pytest.param(FRESH, marks=pytest.mark.keras)])
def test_another_folder_time_and_hash_seed(tmp_path: Path, body: str) -> None:
    here, there = tmp_path / "here", tmp_path / "somewhere/else"
    here.mkdir()
    write_recipe(here, body, classifier())
    shutil.copytree(here, there, copy_function=shutil.copyfile)
    for file in there.iterdir():
        os.utime(file, (1_000_000_000, 1_000_000_000))
    assert applied(here, "1", "UTC") == applied(there, "2", "Asia/Tokyo")
