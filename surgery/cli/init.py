"""`surgery init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.options import ModelFile
from surgery.errors import printable


@app.command()
def init(
    model: ModelFile,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="RECIPE", help="Where to write. Default: MODEL.yaml here.")
    ] = None,
) -> None:
    """Write a first recipe for a model: its head replaced, the layers before it frozen, all of it commented.

    Example: `surgery init models/flowers.keras -o flowers.yaml`
    """
    from surgery.api import KerasWhenAsked
    from surgery.planning.starting import starting_recipe
    from surgery.recipe.file import create_file

    recipe = output or Path(f"{model.resolve().stem}.yaml")
    create_file(recipe, starting_recipe(model, recipe, KerasWhenAsked()).encode())
    name = printable(str(recipe))
    print(f"Written: {name}\nSee what it would do: surgery plan {name}")
