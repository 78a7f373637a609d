"""A recipe as a command opens it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surgery.recipe import Recipe


def opened(path: Path, settings: list[str] | None, restricted: bool = False) -> Recipe:
    """Loads a recipe with the `--set` options, and says what is worth saying of it."""
    from surgery.cli.reported import warn
    from surgery.recipe import load_recipe, parse_overrides

    if restricted:
        from surgery.recipe.workspace import require_inside

        require_inside(path, Path.cwd())
    recipe = load_recipe(path, parse_overrides(settings or []), restricted=restricted)
    for warning in recipe.warnings:
        warn(warning)
    return recipe
