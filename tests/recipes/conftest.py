"""A copy of the recipes for each test, so that what they write stays out of the repository."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def recipes(repository: Path, tmp_path: Path) -> Path:
    """The folder with the recipes, models and data of the repository."""
    folder = tmp_path / "recipes"
    shutil.copytree(repository / "recipes", folder, ignore=shutil.ignore_patterns("build", "__pycache__"))
    return folder
