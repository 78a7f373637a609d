"""Small text files, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from surgery.errors import OutputRefused, RunFailed


def write_text(path: Path, text: str, *, reads: Iterable[Path] = ()) -> None:
    """Writes a text beside its place, syncs it and renames it.

    Args:
        path: The file.
        text: Its content.
        reads: Files that it must not replace.

    Raises:
        OutputRefused: it would replace one of them.
        RunFailed: the disk is full or read-only.
    """
    for read in reads:
        if path.exists() and read.exists() and path.samefile(read):
            raise OutputRefused(f"'{path}' would replace what is read", fix="name another file")
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)
    except OSError as error:
        raise RunFailed(f"{path} cannot be written: {error.strerror}", fix="name another place") from error
