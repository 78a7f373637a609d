"""`surgery apply`."""

from __future__ import annotations

from surgery.cli.app import app
from surgery.cli.opened import opened
from surgery.cli.options import Output, RecipeFile, Set, Trust
from surgery.cli.project import trusted
from surgery.errors import printable


@app.command()
def apply(recipe: RecipeFile, output: Output = None, set: Set = None, trust: Trust = None) -> None:
    """Write the model after a recipe's operations, without training.

    Example: `surgery apply recipes/quickstart/digits-0-to-9.yaml -o new.keras`
    """
    from surgery import api
    from surgery.reporting.plan_text import plan_text

    loaded = opened(recipe, set)
    granted = trusted(recipe, trust)
    made = api.plan(loaded, trust=granted)
    target = output or made.output
    print(plan_text(made))
    api.apply_to_file(made, target, trust=granted)
    print(f"\nWritten and checked against the plan: {printable(str(target))}")
