"""How much a recipe's globs and regular expressions may read: each reads the names of all layers, a character at a time."""

from __future__ import annotations

from surgery.errors import LimitExceeded
from surgery.model.spec import ModelSpec
from surgery.recipe import Recipe

MOST_READ = 10_000_000
"""Characters, of which the slowest pattern that could be found reads more than a million in a second."""


def refuse_patterns(recipe: Recipe, model: ModelSpec) -> None:
    """Ends a plan that would take minutes.

    Args:
        recipe: The recipe.
        model: The model that it starts from.

    Raises:
        LimitExceeded: Its patterns times the names of the layers are more than anybody needs.
    """
    count = recipe.patterns
    length = sum(len(path) for path, _ in model.walk()) if count else 0
    if count * length > MOST_READ:
        raise LimitExceeded(
            f"{count} globs and regular expressions would read {length:,} characters of layer names each",
            expected=f"together at most {MOST_READ:,} characters",
            fix="say it with fewer of them, or with {class: ...} or {from: ..., to: ...}",
            location=recipe.location("operations"),
        )
