"""The merge driver for locks, as git calls it. Other files that end in `.lock` are merged as git merges text."""

from __future__ import annotations

from pathlib import Path

from surgery.errors import LockInvalid
from surgery.model.git import ask
from surgery.planning.lock import SIGN, Lock, parse_lock
from surgery.planning.lock_merge import merge_locks
from surgery.planning.written import write_text


def merge_files(base: Path, ours: Path, theirs: Path, name: str) -> tuple[int, list[str]]:
    """Merges into `ours`.

    Args:
        base: The common ancestor's file; empty when there is none.
        ours: Our file, which becomes the merged one.
        theirs: Their file.
        name: What the file is called in the repository.

    Returns:
        The exit status that git wants (1 for conflicts), and what to tell.
    """
    try:
        locks = [_lock(path) for path in (base, ours, theirs)]
    except LockInvalid:
        labels = ("-L", "ours", "-L", "base", "-L", "theirs")
        return min(ask("merge-file", *labels, str(ours), str(base), str(theirs)).returncode, 1), []
    merged = merge_locks(*locks)
    write_text(ours, merged.text)
    said = [f"{name}: both sides changed '{fact}'" for fact in merged.conflicts]
    if merged.conflicts:
        said.append(f"{name}: merge the recipe, then write the lock anew: surgery lock RECIPE")
    return int(bool(merged.conflicts)), [*said, *(f"{name}: {note}" for note in merged.notes)]


def _lock(path: Path) -> Lock:
    data = path.read_bytes()
    if data and not data.startswith(SIGN.encode()):
        raise LockInvalid(f"'{path.name}' is another kind of lock")
    return parse_lock(data, path)
