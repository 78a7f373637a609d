"""`surgery schema`."""

from __future__ import annotations

from surgery.cli.app import app
from surgery.cli.output import print_json


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors.

    Example: `surgery schema > recipe.schema.json`
    """
    from surgery.recipe.schema_json import recipe_schema

    print_json(recipe_schema())
