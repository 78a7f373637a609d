"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a YAML file.")]
ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A .keras file or folder, or .h5/.hdf5 of Keras 1, 2 or 3.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a parameter of the recipe. Repeatable.")
]
Trust = Annotated[
    list[str] | None,
    typer.Option("--trust", metavar="MODULE", help="Let the recipe import this Python module. Repeatable."),
]
Restricted = Annotated[
    bool,
    typer.Option(
        "--restricted",
        help="For what strangers send: paths relative and inside the workspace, no links, nothing downloaded or imported.",
    ),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="MODEL", help="Where to write the model.")]
