"""`surgery plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.opened import opened
from surgery.cli.options import Json, Markdown, RecipeFile, Restricted, Set, Trust
from surgery.cli.output import print_json
from surgery.cli.project import trusted
from surgery.errors import UsageError, printable


@app.command()
def plan(
    recipe: RecipeFile,
    json: Json = False,
    markdown: Markdown = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PLAN", help="Save the plan, for `surgery apply PLAN`: a .json file."),
    ] = None,
    set: Set = None,
    trust: Trust = None,
    restricted: Restricted = False,
) -> None:
    """Show what a recipe would do to its model: steps, weights, parameters. Nothing is built.

    Example: `surgery plan recipes/quickstart/digits-0-to-9.yaml`
    """
    from surgery import api
    from surgery.recipe import parse_overrides
    from surgery.reporting.plan_markdown import plan_markdown
    from surgery.reporting.plan_text import plan_text

    if json and markdown:
        raise UsageError("--json and --markdown exclude each other", expected="one of them", fix="leave one out")
    made = api.plan(opened(recipe, set, restricted), trust=trusted(recipe, trust))
    if out is not None:
        api.save_plan(made, out, parse_overrides(set or []))
    if json:
        print_json(made.to_json())
    else:
        print(plan_markdown(made) if markdown else plan_text(made))
    if out is not None and not json and not markdown:
        print(f"\nSaved; carry out exactly this with: surgery apply {printable(str(out))}")
