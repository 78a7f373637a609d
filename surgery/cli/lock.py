"""`surgery lock`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.opened import opened
from surgery.cli.options import Restricted, Trust
from surgery.cli.project import trusted
from surgery.errors import SurgeryError, flatten, printable, raise_all


@app.command()
def lock(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="One or more recipes.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; end with status 4 when something is not as it is locked.")
    ] = False,
    trust: Trust = None,
    restricted: Restricted = False,
) -> None:
    """Write NAME.lock beside each recipe: digests of all that goes in. Commit it.

    What came out of a run is added by `surgery run --lock`.

    Example: `surgery lock recipes/quickstart/digits-0-to-9.yaml --check`
    """
    errors: list[SurgeryError] = []
    for recipe in recipes:
        try:
            _lock(recipe, check, trust, restricted)
        except SurgeryError as error:
            errors += flatten(error)
    raise_all(errors)


def _lock(recipe: Path, check: bool, trust: list[str] | None, restricted: bool) -> None:
    from surgery import api

    made = api.plan(opened(recipe, None, restricted), trust=trusted(recipe, trust))
    if check:
        found = api.check_lock(made)
        held = len(set(found.inputs).difference(found.unchecked))
        print(f"{printable(str(found.path))}: {held} facts hold")
        for name in found.unchecked:
            print(f"Note: {printable(name)} is unchecked: it is not installed here, and --restricted imports nothing")
    else:
        print(f"Locked: {printable(str(api.lock(made)))}")
        for note in made.notes:
            print(f"Note: {printable(note)}")
