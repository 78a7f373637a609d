"""The source model that a recipe pins by its digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery import api
from surgery.errors import DigestMismatch
from surgery.model.fingerprint import file_digest
from surgery.recipe import load_recipe
from tests.networks import classifier, write_network
from tests.recipes_text import write_recipe

BODY = "operations:\n  - {op: freeze, layers: conv1}\n"


def test_the_pinned_file_is_taken_and_another_is_refused(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, BODY)
    digest = file_digest(tmp_path / "model.keras")
    recipe.write_text(recipe.read_text().replace("path: model.keras", f"path: model.keras\n  sha256: {digest}"))
    assert api.plan(load_recipe(recipe)).steps
    write_network(tmp_path / "model.keras", classifier(), seed=2)
    with pytest.raises(DigestMismatch, match=r"recipe.yaml:5:11: .*is not the file that the recipe pins"):
        api.plan(load_recipe(recipe))
