"""The application that the commands register with."""

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
