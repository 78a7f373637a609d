"""YAML text to a typed recipe, with the place of every value."""

from __future__ import annotations

from surgery.recipe.loader import load_recipe
from surgery.recipe.parameters import parse_overrides
from surgery.recipe.recipe import Recipe

__all__ = ["Recipe", "load_recipe", "parse_overrides"]
