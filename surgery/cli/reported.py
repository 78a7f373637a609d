"""How errors and warnings are said: `--output-format` of every command."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Annotated

import typer
import typer.main
from typer.core import TyperGroup

from surgery.errors import SurgeryError, render

FORMATS = ("text", "json", "github", "sarif")
ONE_DOCUMENT = ("json", "sarif")


@dataclass
class Reported:
    """What one command has to say besides its result, and in which form."""

    form: str = "text"
    warnings: list[SurgeryError] = field(default_factory=list)
    is_all: bool = False
    """Whether errors and warnings are all that the command says, so that a document without any is said too."""


_current: ContextVar[Reported] = ContextVar("reported")


def begin() -> Reported:
    """Begins with nothing said, as text."""
    reported = Reported()
    _current.set(reported)
    return reported


def current() -> Reported:
    """That of the command which runs now."""
    return _current.get(None) or begin()


def warn(warning: SurgeryError) -> None:
    """Says a warning: at once as text, with the errors in every other form."""
    reported = current()
    reported.warnings.append(warning)
    if reported.form == "text":
        print(render(warning), file=sys.stderr)


def finish(error: SurgeryError | None) -> None:
    """Says how a command ended: text on standard error, every other form on standard output."""
    reported = current()
    found = [*reported.warnings, *([error] if error else [])]
    if reported.form == "text":
        if error:
            print(render(error), file=sys.stderr)
    elif found or reported.is_all:
        _print(reported.form, found)


def _print(form: str, found: list[SurgeryError]) -> None:
    if form == "github":
        from surgery.reporting.errors_github import defused, errors_github

        print(defused("\n\n".join(map(render, found))), file=sys.stderr)
        print(errors_github(found), end="")
        return
    from surgery.cli.output import print_json

    if form == "json":
        from surgery.reporting.errors_json import errors_document

        print_json(errors_document(found))
    else:
        from importlib.metadata import version

        from surgery.reporting.errors_sarif import errors_sarif

        print_json(errors_sarif(found, version("keras-surgery")))


def _choose(form: str) -> str:
    if form not in FORMATS:
        from surgery.errors import UsageError

        known = ", ".join(FORMATS)
        raise UsageError(f"--output-format {form}: no such format", expected=known, fix="--output-format github")
    current().form = form
    return form


def add_option(group: TyperGroup) -> None:
    """Gives every command of a group `--output-format`, unless it has one of its own."""
    (option,) = (one for one in typer.main.get_command(_bearer).params if "--output-format" in one.opts)
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            add_option(command)
        elif all("--output-format" not in parameter.opts for parameter in command.params):
            command.params.append(option)


_bearer = typer.Typer(add_completion=False)


@_bearer.command()
def _bear(
    output_format: Annotated[
        str,
        typer.Option(
            "--output-format",
            metavar="FORMAT",
            help=f"How errors and warnings are said: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.",
            callback=_choose,
            expose_value=False,
            is_eager=True,
            show_default=False,
        ),
    ] = "text",
) -> None:
    """Bears the option that every command gets."""
