"""Recipes as text beside a model file, for tests of everything that follows."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from surgery import api
from surgery.model.spec import ModelSpec
from surgery.planning import Plan
from surgery.recipe import load_recipe
from tests.networks import classifier, write_network

HEAD = "surgery: 1\nname: test\nmodel:\n  path: model.keras\n"
"""Lines 1 to 4 of every recipe; `operations:` begins at line 5."""


def write_recipe(folder: Path, body: str, model: ModelSpec | None = None) -> Path:
    """Writes `model.keras` and a recipe of the usual head and this body; says where the recipe is."""
    if not (folder / "model.keras").exists():
        write_network(folder / "model.keras", model or classifier())
    path = folder / "recipe.yaml"
    path.write_text(HEAD + dedent(body).lstrip("\n"), encoding="utf-8")
    return path


def plan_of(folder: Path, body: str, model: ModelSpec | None = None) -> Plan:
    """The plan of such a recipe."""
    return api.plan(load_recipe(write_recipe(folder, body, model)))
