"""What a run keeps for the next one: bounded in bytes, named by the digest of all that it follows from, the oldest thrown away."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from surgery.model.archive.staging import leftovers


def default_folder(kind: str) -> Path:
    """Where things of a kind lie: `$XDG_CACHE_HOME/keras-surgery/KIND`, below `~/.cache` where that is not set."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "keras-surgery" / kind


def make_room(folder: Path, room: int) -> None:
    """Removes the files and folders that were used the longest time ago, until the others take no more than `room` bytes."""
    kept = 0
    list(leftovers(folder, remove=True))
    # What begins with a dot another run is writing just now.
    places = [place for place in folder.iterdir() if not place.name.startswith(".")]
    for place in sorted(places, key=_used, reverse=True):
        kept += _size(place)
        if kept > room:
            remove(place)


def use(place: Path) -> None:
    """Has a place count as used just now."""
    with suppress(OSError):
        os.utime(place)


def remove(place: Path) -> None:
    """Removes a file or a folder, if it is still there."""
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with suppress(OSError):
            place.unlink()


def _used(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except OSError:  # another run has removed it
        return 0.0


def _size(place: Path) -> int:
    files = place.iterdir() if place.is_dir() else [place]
    with suppress(OSError):
        return sum(file.stat().st_size for file in files)
    return 0
