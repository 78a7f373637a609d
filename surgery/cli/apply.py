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
    prove: Annotated[
        bool | None,
        typer.Option(
            "--prove/--no-prove",
            help="Measure on a small random batch that what no operation changes computes the same. "
            "By default only when Keras is needed anyway, for initial values.",
        ),
    ] = None,
) -> None:
    """Write the model after a recipe's operations, without training.

    A saved plan (a .json file) is carried out as it was saved, or not at all.

    Example: `surgery apply recipes/quickstart/digits-0-to-9.yaml -o new.keras`
    """
    from surgery import api
    from surgery.reporting.evidence_text import evidence_lines
    from surgery.reporting.plan_text import plan_text

    granted = trusted(recipe, trust)
    if recipe.suffix.lower() == PLAN:
        if set:
            raise UsageError("--set changes a recipe, and a saved plan is carried out as it is", fix="leave it out")
        made = api.load_plan(recipe, trust=granted)
    else:
        made = api.plan(opened(recipe, set), trust=granted, look_at_data=False)
    target = output or made.output
    print(plan_text(made))
    evidence = api.apply_to_file(made, target, trust=granted, prove=prove)
    print("\n" + "\n".join(evidence_lines(evidence.to_json())))
    print(f"Written and checked against the plan: {printable(str(target))}")
