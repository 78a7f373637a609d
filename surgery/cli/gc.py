"""`surgery gc`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.errors import FileMissing, printable


@app.command()
def gc(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[FOLDER...]", help="Where to look, and below. Default: here.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
) -> None:
    """Remove what killed runs left: half-written files that carry our mark, and claims that nobody holds any more.

    Example: `surgery gc --dry-run`
    """
    from surgery.model.archive.staging import leftovers

    count = size = 0
    for folder in folders or [Path()]:
        if not folder.is_dir():
            raise FileMissing(f"there is no folder {folder}", expected="a folder", fix="surgery gc .")
        for found in leftovers(folder, remove=not dry_run):
            print(f"{'would remove' if dry_run else 'removed'}  {printable(str(found.path))}  {found.size} bytes")
            count, size = count + 1, size + found.size
    print(f"{count} {'file' if count == 1 else 'files'}, {size} bytes" if count else "Nothing to remove.")
