"""`surgery apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.opened import opened
from surgery.cli.options import Output, Set, Trust
from surgery.cli.project import trusted
from surgery.errors import UsageError, printable

PLAN = ".json"


@app.command()
def apply(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE|PLAN", help="A recipe, or a plan of `surgery plan --out`.")],
    output: Output = None,
    set: Set = None,
    trust: Trust = None,
) -> None:
    """Write the model after a recipe's operations, without training.

    A saved plan (a .json file) is carried out as it was saved, or not at all.

    Example: `surgery apply recipes/quickstart/digits-0-to-9.yaml -o new.keras`
    """
    from surgery import api
    from surgery.reporting.plan_text import plan_text

    granted = trusted(recipe, trust)
    if recipe.suffix.lower() == PLAN:
        if set:
            raise UsageError("--set changes a recipe, and a saved plan is carried out as it is", fix="leave it out")
        made = api.load_plan(recipe, trust=granted)
    else:
        made = api.plan(opened(recipe, set), trust=granted)
    target = output or made.output
    print(plan_text(made))
    api.apply_to_file(made, target, trust=granted)
    print(f"\nWritten and checked against the plan: {printable(str(target))}")
