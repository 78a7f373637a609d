"""Small text files, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from surgery.errors import OutputRefused, RunFailed
from surgery.model.archive.staging import staged_text


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with staged_text(path) as staged:
            with staged.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(path)
    except OSError as error:
        raise RunFailed(f"{path} cannot be written: {error.strerror}", fix="name another place") from error
