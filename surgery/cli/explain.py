"""`surgery explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from surgery.cli.app import app


@app.command()
def explain(
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help="The code in error[CODE].")] = None,
) -> None:
    """Explain an error code; without one, list them all.

    Example: `surgery explain unknown-layer`
    """
    from surgery.reporting.catalogue_text import catalogue_text, entry_text

    print(entry_text(code) if code else catalogue_text())
