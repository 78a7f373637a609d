"""`surgery why`."""

from __future__ import annotations

from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.options import Json, Set, Trust
from surgery.cli.output import print_json
from surgery.cli.select import ModelOrRecipe, SelectorText, model_of


@app.command()
def why(
    model: ModelOrRecipe,
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="The layer's path.")],
    selector: SelectorText,
    json: Json = False,
    set: Set = None,
    trust: Trust = None,
) -> None:
    """Say why a layer matches a selector or does not, part by part.

    Example: `surgery why recipes/quickstart/base.keras flatten '{from: conv1, to: flatten}'`
    """
    from surgery.model.select import explain
    from surgery.model.select.document import why_document
    from surgery.recipe.selector_text import parse_selector
    from surgery.reporting.select_text import why_text

    chosen, spec = parse_selector(selector), model_of(model, set, trust)
    document = why_document(layer, explain(spec, layer, chosen, source=str(model)))
    if json:
        print_json(document)
    else:
        print(why_text(document))
