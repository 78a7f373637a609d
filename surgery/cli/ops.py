"""`surgery ops`."""

from __future__ import annotations

from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.options import Json
from surgery.cli.output import print_json


@app.command()
def ops(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One operation.")] = None, json: Json = False
) -> None:
    """List the operations; with a name, its fields and an example.

    Example: `surgery ops replace`
    """
    from surgery.operations.description import describe, described
    from surgery.reporting.operation_text import operation_text, operations_text

    found = [describe(name)] if name else described()
    if json:
        print_json([entry.to_json() for entry in found])
    else:
        print(operation_text(found[0]) if name else operations_text(found))
