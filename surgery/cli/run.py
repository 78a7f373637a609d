"""`surgery run`."""

from __future__ import annotations

from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.opened import opened
from surgery.cli.options import Output, RecipeFile, Set, Trust
from surgery.cli.project import trusted
from surgery.errors import UsageError, printable


@app.command()
def run(
    recipe: RecipeFile,
    output: Output = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="Run only if everything that goes in is as NAME.lock says.")
    ] = False,
    lock: Annotated[bool, typer.Option("--lock", help="Write NAME.lock afterwards, with what came out.")] = False,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Compute frozen layers once, and take over stages that are done.")
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest run of this recipe that was interrupted.")
    ] = False,
    set: Set = None,
    trust: Trust = None,
) -> None:
    """Do all of a recipe: the operations, the training stages, the evaluation, the outputs, the report.

    Example: `surgery run recipes/quickstart/digits-0-to-9.yaml --set epochs=3`
    """
    from surgery import api
    from surgery.planning.outputs import elsewhere
    from surgery.reporting.plan_text import plan_text
    from surgery.reporting.run_text import run_text

    if lock and set:
        raise UsageError(
            "--lock with --set would lock another recipe than the one that is written",
            expected="one of them",
            fix="write the value into the recipe's parameters",
        )
    loaded = opened(recipe, set)
    granted = trusted(recipe, trust)
    made = api.plan(loaded, trust=granted)
    if locked:
        for note in elsewhere(api.check_lock(made)):
            print(f"Note: {printable(note)}\n")
    print(plan_text(made), flush=True)
    result = api.run_plan(made, trust=granted, output=output, cache=cache, resume=resume)
    print(f"\n{run_text(result.document)}")
    if lock:
        print(f"Locked: {printable(str(api.lock(made, result)))}")
