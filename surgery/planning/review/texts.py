"""The text of a small file before and after a change."""

from __future__ import annotations

import os
from pathlib import Path

from surgery.errors import LimitExceeded
from surgery.model.archive.container import open_regular
from surgery.model.git import ask
from surgery.planning.review.change import LINK, NOTHING, SUBMODULE, ChangedPath

LARGEST = 16 * 2**20


def text_at(base: str, entry: ChangedPath) -> bytes | None:
    """What a commit has under a path; None when that is no file."""
    if entry.old in (NOTHING, LINK, SUBMODULE):
        return None
    size = int(ask("cat-file", "-s", f"{base}:{entry.path}").stdout or 0)
    if size > LARGEST:
        raise LimitExceeded(
            f"'{entry.path}' was larger than {LARGEST} bytes", expected="a smaller file", fix="split it"
        )
    return ask("cat-file", "blob", f"{base}:{entry.path}").stdout


def text_now(entry: ChangedPath) -> bytes | None:
    """What the working tree has there; None when that is no file."""
    if entry.new in (NOTHING, LINK, SUBMODULE) or Path(entry.path).is_symlink():
        return None
    with os.fdopen(open_regular(Path(entry.path)), "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise LimitExceeded(f"'{entry.path}' is larger than {LARGEST} bytes", expected="a smaller file", fix="split it")
    return data
