"""`surgery diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.options import Json, Markdown, Restricted, Trust
from surgery.cli.output import print_json
from surgery.cli.project import trusted
from surgery.errors import UsageError

DIFFERENT = 4

_OPERAND = "A model file or folder; a recipe (what it would make); or either in git: git:REVISION:PATH."


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help=_OPERAND)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same.")],
    json: Json = False,
    markdown: Markdown = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one HTML file with both graphs, too.")
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with status 4 when they differ.")] = False,
    trust: Trust = None,
    restricted: Restricted = False,
) -> None:
    """Compare two models layer by layer: structure, config, trainability, weights. Keras is not imported.

    Example: `surgery diff git:HEAD:models/flowers.keras models/flowers.keras`
    """
    from surgery import api

    if json and markdown:
        raise UsageError("--json and --markdown exclude each other", expected="one of them", fix="leave one out")
    found = api.diff(old, new, trust=trusted(Path.cwd() / "here", trust), restricted=restricted)
    if html is not None:
        from surgery.recipe.file import replace_file
        from surgery.reporting.diff_html import diff_html

        replace_file(html, diff_html(found, f"{old} -> {new}").encode())
    if json:
        print_json(found.to_json())
    elif markdown:
        from surgery.reporting.diff_markdown import diff_markdown

        print(diff_markdown(found, f"{old} -> {new}"))
    else:
        from surgery.reporting.diff_text import diff_text

        print(diff_text(found))
    if exit_code and not found.identical:
        raise typer.Exit(DIFFERENT)
