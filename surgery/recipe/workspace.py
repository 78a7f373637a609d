"""The workspace of a recipe, and the paths that a stranger's recipe may name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from surgery.errors import PathRefused


def workspace_of(folder: Path) -> Path:
    """The git top level around a folder, or else the folder."""
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)


def require_inside(path: str | Path, folder: Path) -> Path:
    """A path as `--restricted` takes it: relative, inside the workspace, no link on its way or below it, nothing to wait for.

    Args:
        path: The path as it was written.
        folder: What it is relative to, as an absolute path.

    Returns:
        The path as an absolute one. Whether something is there is left to whoever opens it.

    Raises:
        PathRefused: it is another path.
    """
    if Path(path).is_absolute():
        raise _refusal(path, "is an absolute path")
    place, workspace = Path(os.path.normpath(folder / path)), workspace_of(folder)
    if not place.is_relative_to(workspace):
        raise _refusal(path, f"lies outside the workspace {workspace}")
    way = place
    while way != workspace:
        if way.is_symlink():
            raise _refusal(path, "leads through a symbolic link")
        way = way.parent
    for entry in (place, *_below(place)):
        kind = _kind(entry)
        if kind is not None:
            raise _refusal(path, kind if entry == place else f"{kind}: {entry.relative_to(place)}")
    return place


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        yield from (Path(root, name) for name in (*folders, *files))


def _kind(path: Path) -> str | None:
    """What is wrong with what lies there."""
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):
        return None
    if stat.S_ISLNK(mode):
        return "holds a symbolic link"
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "is or holds a pipe, a socket or a device"


def _refusal(path: str | Path, what: str) -> PathRefused:
    return PathRefused(
        f"'{path}' {what}, and --restricted does not follow it",
        expected="a relative path inside the workspace, without links",
        fix="put the file into the repository, or leave --restricted out for what you trust",
    )
