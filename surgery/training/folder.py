"""The folder of a run: numbered, never used twice, its files written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surgery.errors import RunFailed
from surgery.model.archive.staging import staged_text, sync_folder


def numbered(parent: Path) -> list[Path]:
    """The folders of runs in `runs/NAME`."""
    return [path for path in parent.iterdir() if path.name.isdecimal()] if parent.is_dir() else []


def new_folder(parent: Path) -> Path:
    """Makes `0001`, or the next number that is free, in `runs/NAME`.

    Raises:
        RunFailed: Nothing can be written there.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        number = max((int(path.name) for path in numbered(parent)), default=0) + 1
        while True:
            folder = parent / f"{number:04d}"
            try:
                folder.mkdir()
            except FileExistsError:  # another run took it a moment ago
                number += 1
            else:
                return folder
    except OSError as error:
        raise RunFailed(
            f"no run folder can be made in {parent}: {error.strerror}",
            expected="a folder that can be written to",
            fix="give another place with -o",
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Writes a text beside its place, syncs it and renames it, so that a reader sees all of it or nothing.

    Raises:
        RunFailed: The disk is full or read-only.
    """
    try:
        with staged_text(path) as staged:
            with staged.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RunFailed(f"{path} cannot be written: {error.strerror}", fix="make room on the disk") from error


def json_text(document: Mapping[str, Any]) -> str:
    """A document as JSON that other languages read too: what is no number is null."""
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) != float("inf") and value == value else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value
