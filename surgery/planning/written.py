"""Small text files that a command writes: never over what it reads, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from surgery.errors import FileUnreadable, OutputRefused
from surgery.recipe.file import replace_file


def write_text(path: Path, text: str, *, reads: Iterable[Path] = ()) -> None:
    """Writes a text, and the folder for it.

    Args:
        path: The file.
        text: Its content.
        reads: Files that it must not replace.

    Raises:
        OutputRefused: it would replace one of them.
        FileUnreadable: it cannot be written.
    """
    for read in reads:
        if path.exists() and read.exists() and path.samefile(read):
            raise OutputRefused(f"'{path}' would replace what is read", fix="name another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileUnreadable(f"{path.parent} cannot be made: {error.strerror}", fix="name another place") from None
    replace_file(path, text.encode("utf-8", "surrogateescape"))
