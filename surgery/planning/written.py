"""Small text files that a command writes: never over what it reads, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from surgery.errors import OutputRefused
from surgery.recipe.file import replace_file, unwritable


def write_text(path: Path, text: str, *, reads: Iterable[Path] = ()) -> None:
    """Writes a text, and the folder for it.

    Args:
        path: The file.
        text: Its content.
        reads: Files that it must not replace.

    Raises:
        OutputRefused: it would replace one of them.
        FileUnreadable: it cannot be written.
        RunFailed: the disk is full or read-only; then no empty folder is left either.
    """
    for read in reads:
        if path.exists() and read.exists() and path.samefile(read):
            raise OutputRefused(f"'{path}' would replace what is read", fix="name another file")
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode("utf-8", "surrogateescape"))
    except BaseException as error:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise unwritable(path.parent, error) from None
        raise
