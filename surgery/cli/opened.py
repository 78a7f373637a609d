"""A recipe as a command opens it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surgery.recipe import Recipe


def opened(path: Path, settings: list[str] | None) -> Recipe:
    """Loads a recipe with the `--set` options, and says on standard error what is worth saying of it."""
    from surgery.errors import render
    from surgery.recipe import load_recipe, parse_overrides

    recipe = load_recipe(path, parse_overrides(settings or []))
    for warning in recipe.warnings:
        print(render(warning), file=sys.stderr)
    return recipe
