"""`surgery convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.options import Trust
from surgery.errors import printable


@app.command()
def convert(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="A model; or model.json with its weights.h5; or model.json of TensorFlow.js."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PATH", help="Where to write it: a .keras file.")],
    trust: Trust = None,
) -> None:
    """Write a model of Keras 1, 2 or TensorFlow.js, in one file or in several, as a .keras file of Keras 3.

    Nothing is computed anew: every weight is that of the source, or is said to be another one.

    Example: `surgery convert recipes/quickstart/base.keras -o again.keras`
    """
    from surgery import api

    for note in api.convert(files, output, trust=trust or ()):
        print(f"Note: {printable(note)}")
    print(f"Written: {printable(str(output))}")
