"""`surgery select`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surgery.cli.app import app
from surgery.cli.options import Json, Set, Trust
from surgery.cli.output import print_json

if TYPE_CHECKING:
    from surgery.model.spec import ModelSpec

RECIPES = (".yaml", ".yml")

ModelOrRecipe = Annotated[
    Path, typer.Argument(metavar="RECIPE|MODEL", help="A model file, or a recipe for the model that it starts from.")
]
SelectorText = Annotated[
    str, typer.Argument(metavar="SELECTOR", help="A name, a glob, an index, or YAML such as '{class: Conv2D}'.")
]


@app.command()
def select(
    model: ModelOrRecipe, selector: SelectorText, json: Json = False, set: Set = None, trust: Trust = None
) -> None:
    """List the layers that a selector matches.

    Example: `surgery select recipes/quickstart/base.keras '{class: Conv2D}'`
    """
    from surgery.model.select import select as matching
    from surgery.model.select.document import select_document
    from surgery.recipe.selector_text import parse_selector
    from surgery.reporting.select_text import select_text

    chosen, spec = parse_selector(selector), model_of(model, set, trust)
    document = select_document(spec, chosen, matching(spec, chosen, source=str(model)))
    if json:
        print_json(document)
    else:
        print(select_text(document))


def model_of(path: Path, settings: list[str] | None, trust: list[str] | None) -> ModelSpec:
    """The model in a file, or the one that a recipe starts from, whatever its operations say."""
    from surgery import api
    from surgery.cli.opened import opened
    from surgery.cli.project import trusted
    from surgery.planning.source import open_source

    if path.suffix.lower() not in RECIPES:
        return api.read_model(path, trust=trust or ())
    recipe = opened(path, settings)
    permitted = recipe.permitted(trusted(path, trust))
    keras = api.KerasWhenAsked(permitted)
    try:
        return open_source(recipe, keras.materialize, keras.ask, permitted).spec
    finally:
        keras.close()
