"""Git, asked with a list of arguments and never through a shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from surgery.errors import FULL, FileMissing, FileUnreadable, RunFailed

_FULL = (*(os.strerror(number).encode() for number in FULL), b"failed to write new configuration file")
"""What git says of a disk that takes nothing; of its configuration it does not say why (git 2.39)."""


def answer(*arguments: str, folder: Path | None = None) -> str:
    """What git prints for a question that it must be able to answer.

    Raises:
        FileUnreadable: it is not; most often because this is no repository.
    """
    done = ask(*arguments, folder=folder)
    if done.returncode:
        raise FileUnreadable(f"git says: {said(done)}", expected="a folder of a git repository")
    return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """What git has to say about a failure."""
    return done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")


def ask(
    *arguments: str, output: int = subprocess.PIPE, folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs git.

    Args:
        arguments: The command and its arguments.
        output: A file descriptor for what git prints; by default it is collected.
        folder: Where to run it; by default here.

    Raises:
        FileUnreadable: git is not installed.
        FileMissing: an argument that no command can have.
        RunFailed: the disk is full or read-only.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
            # So that git says why it cannot write, in words that are known, and cleans up: it is killed at a limit otherwise.
            restore_signals=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError:
        raise FileUnreadable("git is not installed", expected="the command git", fix="install git") from None
    except ValueError as error:
        raise FileMissing(f"git cannot be asked: {error}") from None
    if done.returncode and any(words in done.stderr for words in _FULL):
        raise RunFailed(
            f"git says: {said(done)}",
            expected="a disk with room that can be written to; what was there before is untouched",
            fix="make room",
        )
    return done
