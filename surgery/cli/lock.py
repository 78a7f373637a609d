"""`surgery lock`."""

from __future__ import annotations

from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.opened import opened
from surgery.cli.options import RecipeFile, Trust
from surgery.cli.project import trusted
from surgery.errors import printable


@app.command()
def lock(
    recipe: RecipeFile,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; end with status 4 when something is not as it is locked.")
    ] = False,
    trust: Trust = None,
) -> None:
    """Write NAME.lock beside a recipe: digests of all that goes in. Commit it.

    What came out of a run is added by `surgery run --lock`.

    Example: `surgery lock recipes/quickstart/digits-0-to-9.yaml --check`
    """
    from surgery import api

    made = api.plan(opened(recipe, None), trust=trusted(recipe, trust))
    if check:
        found = api.check_lock(made)
        print(f"{printable(str(found.path))}: {len(found.inputs)} facts hold")
    else:
        print(f"Locked: {printable(str(api.lock(made)))}")
