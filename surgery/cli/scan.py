"""`surgery scan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.options import Json, Restricted, Trust
from surgery.cli.output import print_json
from surgery.errors import SurgeryError, UsageError, raise_all

NOT_ACCEPTED = 1
FORMATS = ("text", "json", "sarif")


@app.command()
def scan(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="Files or folders that Keras saved, or weights alone.")
    ],
    json: Json = False,
    output_format: Annotated[
        str, typer.Option("--output-format", metavar="FORMAT", help="How findings are said: text, json or sarif.")
    ] = "text",
    trust: Trust = None,
    restricted: Restricted = False,
) -> None:
    """Find what in model files could run code, read other files or fill memory. Nothing is loaded and Keras is not imported.

    Ends with status 1 when a file is refused or could not be checked.

    Example: `surgery scan recipes/quickstart/base.keras`
    """
    from surgery.model.scan import scan as scanned

    form = _form(json, output_format)
    verdicts, errors = [], []
    for path in models:
        try:
            if restricted:
                from surgery.recipe.workspace import require_inside

                require_inside(path, Path.cwd())
            verdicts.append(scanned(path, tuple(trust or ())))
        except SurgeryError as error:
            errors.append(error)
    if form == "text":
        from surgery.reporting.scan_text import scan_text

        print(scan_text(verdicts), end="")
    elif form == "json":
        from surgery.reporting.scan_text import scan_document

        print_json(scan_document(verdicts))
    else:
        from importlib.metadata import version

        from surgery.reporting.scan_sarif import scan_sarif

        print_json(scan_sarif(verdicts, version("keras-surgery")))
    raise_all(errors)
    if not all(verdict.is_accepted for verdict in verdicts):
        raise typer.Exit(NOT_ACCEPTED)


def _form(json: bool, output_format: str) -> str:
    if output_format not in FORMATS or (json and output_format not in ("text", "json")):
        raise UsageError(
            f"--output-format {output_format}{' with --json' if json else ''} is no format of a scan",
            expected=", ".join(FORMATS),
            fix="--output-format sarif",
        )
    return "json" if json else output_format
