"""The application that the commands register with."""

from typing import Annotated

import typer

app = typer.Typer(
    name="surgery",
    help="Declarative model surgery for Keras. A YAML recipe says what must hold; a plan shows it; a run makes it so.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`surgery COMMAND --help` shows an example for each.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from surgery.cli.output import version_lines

        print(*version_lines(), sep="\n")
        raise typer.Exit


@app.callback()
def surgery(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the versions that matter, and exit."),
    ] = False,
) -> None:
    """Declarative model surgery for Keras. A YAML recipe says what must hold; a plan shows it; a run makes it so."""
