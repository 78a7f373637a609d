"""`surgery fmt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.errors import SurgeryError, flatten, printable, raise_all

DIFFERENT = 4


@app.command()
def fmt(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="One or more recipes.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; end with status 4 when one would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
) -> None:
    """Put recipes in canonical form: order of keys, indentation, brackets, blank lines. Comments are kept.

    Example: `surgery fmt recipes/*/*.yaml`
    """
    from surgery.recipe.file import read_bytes, replace_file
    from surgery.recipe.formatting import format_recipe

    errors: list[SurgeryError] = []
    is_different = False
    for path in recipes:
        try:
            old = read_bytes(path)
            new = format_recipe(path, old)
        except SurgeryError as error:
            errors += flatten(error)
            continue
        if old == new:
            continue
        is_different = True
        if diff:
            _print_diff(path, old, new)
        elif not check:
            replace_file(path, new)
        print(f"{printable(str(path))}: {'would be ' if check or diff else ''}formatted")
    raise_all(errors)
    if is_different and check:
        raise typer.Exit(DIFFERENT)


def _print_diff(path: Path, old: bytes, new: bytes) -> None:
    from difflib import unified_diff

    name = printable(str(path))
    before, after = old.decode().splitlines(), new.decode().splitlines()
    for line in unified_diff(before, after, f"{name} (as it is)", f"{name} (formatted)", lineterm=""):
        print(printable(line))
