"""Arrays of an `.npz` file; those that lie uncompressed in it are mapped, not read."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from surgery.errors import DataInvalid, FileUnreadable, SurgeryError
from surgery.training.data.examples import Array

LOCAL_HEADER = 30
"""Bytes of a zip member's local header before its name."""


class NpzFile:
    """The arrays of a file by name. Nothing in it is ever unpickled.

    Raises:
        FileUnreadable: It is no zip file of arrays.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, OSError) as error:
            raise FileUnreadable(
                f"{path.name} is no .npz file: {error}", expected="a file that numpy.savez wrote"
            ) from error
        self._members = {m.filename.removesuffix(".npy"): m for m in members if m.filename.endswith(".npy")}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def __getitem__(self, name: str) -> Array:
        """The array of that name; a missing name is a `KeyError`.

        Raises:
            DataInvalid: It holds Python objects.
            FileUnreadable: It is damaged.
        """
        member = self._members[name]
        try:
            mapped = self._map(member)
            return self._read(name) if mapped is None else mapped
        except (ValueError, OSError, EOFError, struct.error, zipfile.BadZipFile) as error:
            raise self._refusal(name, error) from error

    def _read(self, name: str) -> Array:
        with np.load(self.path, allow_pickle=False) as arrays:
            array: Array = arrays[name]
        return array

    def _map(self, member: zipfile.ZipInfo) -> Array | None:
        """The array in place. None where it is compressed, empty, or holds what cannot be mapped."""
        if member.compress_type != zipfile.ZIP_STORED:
            return None
        with self.path.open("rb") as file:
            file.seek(member.header_offset + LOCAL_HEADER - 4)
            file.seek(sum(struct.unpack("<HH", file.read(4))), 1)
            start = file.tell()
            shape, fortran, dtype = _header(file)
            offset = file.tell()
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if dtype.hasobject or not size or offset + size > start + member.file_size:
            return None
        return np.memmap(self.path, dtype, "r", offset, shape, "F" if fortran else "C")

    def _refusal(self, name: str, error: Exception) -> SurgeryError:
        if "pickle" in str(error).lower() or "Object arrays" in str(error):
            return DataInvalid(
                f"'{name}' in {self.path.name} holds Python objects, which are never unpickled",
                expected="an array of numbers",
                fix="save it with a numeric dtype: array.astype('float32')",
            )
        return FileUnreadable(f"'{name}' in {self.path.name} is damaged: {error}", expected="an array of numbers")


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)
