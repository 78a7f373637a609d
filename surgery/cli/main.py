"""The way in and the way out: every outcome has one exit status and, if it is no success, one message."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from surgery.model import reader

if TYPE_CHECKING:
    # A command starts the process that reads models before it loads anything itself.
    import typer
    from typer.core import TyperGroup

    from surgery.execution.stopping import Stopped

USAGE, BUG, INTERRUPTED = 2, 3, 130
PARTS = {"app", "bug", "main", "opened", "options", "output", "plain", "project", "pull_request", "reported"}
"""Modules of this folder that are no commands; every other one is named like its command."""
READ_MODELS = {
    "apply",
    "convert",
    "diff",
    "init",
    "inspect",
    "lock",
    "plan",
    "review",
    "run",
    "scan",
    "select",
    "verify",
    "why",
}


def main() -> None:
    """Runs one command and exits."""
    if sys.argv[1:2] and sys.argv[1] in READ_MODELS and not {"-h", "--help"} & set(sys.argv):
        reader.start()
    from surgery.execution.stopping import Stopped, asked, default_signals, obey_signals

    # Most of what a short command makes lives to its end: looking for garbage as often as usual takes a tenth of its time.
    gc.set_threshold(50_000, 20, 20)
    try:
        status = run(sys.argv[1:], obey_signals)
        default_signals()
    except Stopped as stop:  # while the command was beginning, or saying how it ended
        status = _stopped(stop)
    # Keras takes seconds to be taken apart; who has sent a signal does not wait for it.
    if "keras" in sys.modules and asked() is None:
        sys.exit(status)
    _leave(status)


def _leave(status: int) -> NoReturn:
    """Ends the process without taking its modules apart, which nobody would see and everybody would wait for."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def run(arguments: list[str], begins: Callable[[], None] = lambda: None) -> int:
    """Runs one command.

    Args:
        arguments: Those of the command line.
        begins: Called when everything is loaded and the command begins.

    Returns:
        The exit status: 0 done, 1 the user's error, 2 usage, 3 our bug, 4 a difference or a failed gate, 5 the run
        failed, 6 busy, 130 interrupted, 143 terminated.
    """
    status = 0
    try:
        status = _run(arguments, begins)
        _flush()
    except BrokenPipeError:
        _mute()
    except OSError as error:
        status = _unsaid(error)
    return status


def _run(arguments: list[str], begins: Callable[[], None]) -> int:
    """The same, as long as what is said is taken."""
    import typer

    from surgery.cli.reported import begin, finish
    from surgery.errors import Errors, SurgeryError
    from surgery.execution.stopping import Stopped, asked, of_the_machine

    begin()
    try:
        command = application(arguments[0] if arguments else "")
        begins()
        status = command(arguments, standalone_mode=False)
        finish(None)
        return status if isinstance(status, int) else 0
    except SurgeryError as error:
        finish(error)
        return error.status if isinstance(error, Errors) else error.exit_status
    except typer.Exit as stop:
        finish(None)
        return stop.exit_code
    except typer.TyperException as error:
        if error.format_message():  # without arguments the help has said it all
            print(_usage(error), file=sys.stderr)
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Stopped as stop:
        return _stopped(stop)
    except BrokenPipeError:
        _mute()
        return 0
    except Exception as error:  # noqa: BLE001 - whatever else it is, it is our bug
        if (signalled := asked()) is not None:  # somebody's code has made an error of its own out of it
            return _stopped(signalled)
        if (failure := of_the_machine(error)) is not None:
            _flush()  # it may be what takes nothing; that is said elsewhere
            finish(failure)
            return failure.exit_status
        from surgery.cli.bug import bug_text

        print(bug_text(error, arguments), file=sys.stderr)
        return BUG


def _flush() -> None:
    if sys.stdout is not None:  # it is closed where a shell was told `>&-`
        sys.stdout.flush()


def _mute() -> None:
    """Whoever reads our output has had enough, or cannot take it; nothing is left to say there, not even at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unsaid(error: OSError) -> int:
    """What becomes of a command whose result nobody can take: the disk behind standard output is full."""
    from surgery.errors import RunFailed, of_the_disk, render

    _mute()
    failure = of_the_disk(error, "the output") or RunFailed(f"the output cannot be written: {error.strerror}")
    failure.fix = "make room, or send the output elsewhere"
    with suppress(OSError):
        print(render(failure), file=sys.stderr)
    return failure.exit_status


def _stopped(stop: Stopped) -> int:
    print("interrupted" if stop.status == INTERRUPTED else "terminated", file=sys.stderr)
    return stop.status


def application(command: str = "") -> TyperGroup:
    """That command, or all of them where there is none of that name; each with the options that every command takes."""
    import typer.main
    from typer.core import TyperGroup

    from surgery.cli.app import app
    from surgery.cli.plain import take_plainly
    from surgery.cli.reported import add_option

    take_plainly()
    register(command)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    group.commands = dict(
        sorted(group.commands.items(), key=lambda item: (not isinstance(item[1], TyperGroup), item[0]))
    )
    add_option(group)
    return group


def register(command: str = "") -> None:
    """Imports the module of that command, or every one where there is none, by which it joins the application."""
    import importlib
    import pkgutil

    from surgery import cli

    names = {module.name for module in pkgutil.iter_modules(cli.__path__)} - PARTS
    for name in [command] if command in names else sorted(names):
        importlib.import_module(f"{cli.__name__}.{name}")


def _usage(error: typer.TyperException) -> str:
    """What typer says of a command line, in our own form."""
    from surgery.cli.app import app
    from surgery.errors import UsageError, render

    context = getattr(error, "ctx", None)
    command = context.command_path if context else app.info.name
    return render(UsageError(error.format_message(), fix=f"see: {command} --help"))
