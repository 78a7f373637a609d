"""Further members of a model's archive, which are no part of the model."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from surgery.errors import FileUnreadable
from surgery.model.archive.container import open_regular


def read_member(path: str | Path, name: str, largest: int) -> bytes | None:
    """A member of a `.keras` file, or the file of that name in a folder. None where there is none, and for an `.h5`.

    Args:
        path: The model.
        name: The member, with forward slashes.
        largest: How many bytes it may have.

    Raises:
        FileMissing: there is no such model.
        FileUnreadable: the archive is damaged, or the member is larger.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / name).exists():
            return None
        with os.fdopen(open_regular(path / name), "rb") as file:
            return _bounded(file.read(largest + 1), name, largest)
    with os.fdopen(open_regular(path), "rb") as file:
        if file.read(2) != b"PK":
            return None
        try:
            with zipfile.ZipFile(file) as archive, archive.open(name) as member:
                return _bounded(member.read(largest + 1), name, largest)
        except KeyError:
            return None
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
            raise FileUnreadable(f"{path} cannot be read as a zip archive: {error}") from None


def _bounded(data: bytes, name: str, largest: int) -> bytes:
    if len(data) > largest:
        raise FileUnreadable(f"the member {name} is larger than {largest} bytes")
    return data
