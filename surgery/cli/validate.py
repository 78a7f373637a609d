"""`surgery validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.opened import opened
from surgery.cli.options import Restricted, Set
from surgery.cli.reported import current
from surgery.errors import SurgeryError, flatten, printable, raise_all


@app.command()
def validate(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="One or more recipes.")],
    set: Set = None,
    restricted: Restricted = False,
) -> None:
    """Find every error of recipes, without looking into the model.

    Example: `surgery validate recipes/*/*.yaml`
    """
    current().is_all = True
    errors: list[SurgeryError] = []
    for path in recipes:
        try:
            opened(path, set, restricted)
            if current().form == "text":
                print(f"{printable(str(path))}: ok")
        except SurgeryError as error:
            errors += flatten(error)
    raise_all(errors)
