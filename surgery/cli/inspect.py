"""`surgery inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.options import Json, ModelFile, Trust
from surgery.cli.output import print_json


@app.command()
def inspect(
    model: ModelFile,
    json: Json = False,
    history: Annotated[
        bool, typer.Option("--history", help="Show the surgeries that made it, with recipes and plans.")
    ] = False,
    trust: Trust = None,
) -> None:
    """List the layers of a saved model, with shapes, parameters and wiring. Keras is not imported.

    Example: `surgery inspect recipes/quickstart/base.keras`
    """
    from surgery.api import read_model
    from surgery.model.listing import listing
    from surgery.reporting.model_text import model_text

    if history:
        _print_history(model, json, tuple(trust or ()))
        return
    document = listing(read_model(model, trust=trust or ()))
    if json:
        print_json(document)
    else:
        print(model_text(document))


def _print_history(model: Path, json: bool, trust: tuple[str, ...]) -> None:
    from surgery.model.scan import checked
    from surgery.planning.history import read_history
    from surgery.reporting.history_text import history_text

    with checked(model, trust) as path:
        found = read_history(path)
    if json:
        print_json(found)
    else:
        print(history_text(found))
