"""`surgery git`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.project import trusted
from surgery.errors import SurgeryError, printable, render

git = typer.Typer(
    name="git", help="Let `git diff`, `git log -p` and `git merge` speak of layers.", no_args_is_help=True
)
app.add_typer(git)

DEV_NULL = "/dev/null"


@git.command()
def install(
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Take back what install did.")] = False,
) -> None:
    """Set the diff driver for models and the merge driver for locks in this repository.

    Example: `surgery git install`
    """
    from surgery.planning import git_setup

    changed = git_setup.uninstall(Path.cwd()) if uninstall else git_setup.install(Path.cwd())
    print(*map(printable, changed or ["Nothing to do: all is as it should be."]), sep="\n")


@git.command(hidden=True)
def text(model: Path) -> None:
    """Print a model as lines, for git's textconv.

    Example: `surgery git text model.keras`
    """
    from surgery.reporting.model_blocks import file_blocks

    print(_whatever_happens(lambda: file_blocks(model, _trust()).removesuffix("\n")))


@git.command(hidden=True)
def diff(arguments: list[str]) -> None:
    """Print what changed between two versions of a model, for git's external diff.

    Example: `surgery git diff model.keras OLD OLD-HEX OLD-MODE NEW NEW-HEX NEW-MODE`
    """
    name = printable(arguments[0])
    if len(arguments) < 7:
        print(f"* Unmerged path {name}")
        return
    old, new = arguments[1], arguments[4]
    renamed = f" -> {printable(arguments[7])}" if len(arguments) > 7 else ""
    print(f"diff --surgery {name}{renamed}")
    print(_whatever_happens(lambda: _compared(old, new)))


def _whatever_happens(make: Callable[[], str]) -> str:
    """A text, or why there is none: git gives up altogether when its driver fails, and other files wait to be shown."""
    try:
        return make()
    except SurgeryError as error:
        return render(error)
    except Exception as error:  # noqa: BLE001 - our bug in one file must not hide the others
        from surgery.cli.bug import bug_text

        return bug_text(error, sys.argv[1:])


def _compared(old: str, new: str) -> str:
    from surgery import api
    from surgery.model.listing import listing
    from surgery.reporting.diff_text import diff_text
    from surgery.reporting.model_text import model_text

    if DEV_NULL in (old, new):
        there = new if old == DEV_NULL else old
        word = "new model" if old == DEV_NULL else "deleted model"
        return f"{word}: {model_text(listing(api.read_model(there, trust=_trust())))}"
    return diff_text(api.diff(old, new, trust=_trust()))


def _trust() -> tuple[str, ...]:
    """What the project trusts; git starts its drivers at the top of the repository."""
    return trusted(Path.cwd() / "here", None)


@git.command(hidden=True)
def merge(base: Path, ours: Path, theirs: Path, name: str) -> None:
    """Merge two versions of a lock fact by fact, for git's merge driver.

    Example: `surgery git merge BASE OURS THEIRS NAME`
    """
    from surgery.planning.lock_driver import merge_files

    status, said = merge_files(base, ours, theirs, name)
    for line in said:
        print(printable(line), file=sys.stderr)
    raise typer.Exit(status)
