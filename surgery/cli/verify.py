"""`surgery verify`."""

from __future__ import annotations

from surgery.cli.app import app
from surgery.cli.opened import opened
from surgery.cli.options import RecipeFile, Trust
from surgery.cli.project import trusted
from surgery.errors import printable


@app.command()
def verify(recipe: RecipeFile, trust: Trust = None) -> None:
    """Run a recipe again in a scratch folder, and compare with the outputs of its lock.

    With the same software on the same machine they must be equal bit for bit; elsewhere, on a CPU with other instructions too, within
    the lock's tolerances, and what is another is named.

    Example: `surgery verify recipes/quickstart/digits-0-to-9.yaml`
    """
    from surgery import api

    granted = trusted(recipe, trust)
    found = api.verify(api.plan(opened(recipe, None), trust=granted), trust=granted)
    how = "bit for bit" if found.is_same_stack else "within the lock's tolerances. Bits cannot be asked for"
    print(f"Verified: {found.outputs} outputs are as they are locked, {how}{':' if found.other_stack else '.'}")
    for line in found.other_stack:
        print(f"  {printable(line)}")
    for note in found.notes:
        print(f"Note: {printable(note)}")
