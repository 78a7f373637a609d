"""What a run keeps for the next one: bounded in bytes, named by the digest of all that it follows from, the oldest thrown away."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from surgery.model.archive.staging import leftovers
from surgery.training.resuming.key import KeyUnusable, require_key


@dataclass(frozen=True)
class Store:
    """What a run can keep for the next one. Where the machine does not let it, the run does without, and says so."""

    folder: Path | None = None
    """Where the cache is; None for no cache."""
    has_key: bool = True
    """Whether checkpoints can be sealed; without that none is kept."""
    notes: tuple[str, ...] = ()
    """What is missing, and why, in sentences."""


def open_store(wants_cache: bool) -> Store:
    """What there is on this machine.

    Args:
        wants_cache: Whether the run is to use the cache.
    """
    try:
        require_key()
    except KeyUnusable as error:
        return Store(None, False, (f"Nothing is kept for later runs, neither checkpoints nor a cache: {error}.",))
    if not wants_cache:
        return Store()
    try:
        folder = cache_folder()
        for kind in KINDS:
            (folder / kind).mkdir(parents=True, exist_ok=True)
            if not os.access(folder / kind, os.W_OK | os.X_OK):
                return Store(notes=(f"No cache is used: {folder / kind} cannot be written to.",))
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return Store(notes=(f"No cache is used: its folder cannot be made: {why}. Set XDG_CACHE_HOME.",))
    return Store(folder)


KINDS = ("features", "stages")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/keras-surgery`, below `~/.cache` where that is not set.

    Raises:
        RuntimeError: Nobody knows where the user is at home.
    """
    asked = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (asked if asked.is_absolute() else Path.home() / ".cache") / "keras-surgery"


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
