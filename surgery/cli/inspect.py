"""`surgery inspect`."""

from __future__ import annotations

from surgery.cli.app import app
from surgery.cli.options import Json, ModelFile, Trust
from surgery.cli.output import print_json


@app.command()
def inspect(model: ModelFile, json: Json = False, trust: Trust = None) -> None:
    """List the layers of a saved model, with shapes, parameters and wiring. Keras is not imported.

    Example: `surgery inspect recipes/quickstart/base.keras`
    """
    from surgery.api import read_model
    from surgery.model.listing import listing
    from surgery.reporting.model_text import model_text

    document = listing(read_model(model, trust=trust or ()))
    if json:
        print_json(document)
    else:
        print(model_text(document))
