"""Arrays of an `.npz` file; mapped, not read; those that are compressed are unpacked first."""

from __future__ import annotations

import io
import math
import shutil
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from surgery.errors import DataInvalid, FileUnreadable, SurgeryError
from surgery.training.data.examples import Array

LOCAL_HEADER = 30
"""Bytes of a zip member's local header before its name."""
MAGIC = 8
"""Bytes of an array before the length of its header."""
LONGEST_HEADER = 1 << 16
PART = 1 << 20


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
            return self._array(member)
        except (
            ValueError,
            OSError,
            EOFError,
            struct.error,
            zlib.error,
            NotImplementedError,
            zipfile.BadZipFile,
        ) as error:
            raise self._refusal(name, error) from error

    def _array(self, member: zipfile.ZipInfo) -> Array:
        """The array, over the pages of the file; what is compressed is unpacked into a file without a name first."""
        with zipfile.ZipFile(self.path) as archive, archive.open(member) as content:
            shape, fortran, dtype, begin = _header(content, member.file_size)
            if member.compress_type == zipfile.ZIP_STORED:
                # Reading to the end compares the checksum.
                while content.read(PART):
                    pass
                return _mapped(self.path, dtype, self._start(member) + begin, shape, fortran)
            with tempfile.TemporaryFile(prefix="surgery-") as room:
                shutil.copyfileobj(content, room, PART)
                room.flush()
                return _mapped(room, dtype, 0, shape, fortran)

    def _start(self, member: zipfile.ZipInfo) -> int:
        with self.path.open("rb") as file:
            file.seek(member.header_offset + LOCAL_HEADER - 4)
            name, extra = struct.unpack("<HH", file.read(4))
        return member.header_offset + LOCAL_HEADER + int(name) + int(extra)

    def _refusal(self, name: str, error: Exception) -> SurgeryError:
        if "pickle" in str(error).lower() or "Object arrays" in str(error):
            return DataInvalid(
                f"'{name}' in {self.path.name} holds Python objects, which are never unpickled",
                expected="an array of numbers",
                fix="save it with a numeric dtype: array.astype('float32')",
            )
        return FileUnreadable(f"'{name}' in {self.path.name} is damaged: {error}", expected="an array of numbers")


def _mapped(file: Any, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], fortran: bool) -> Array:
    if not math.prod(shape):
        return np.empty(shape, dtype)
    return np.memmap(file, dtype, "r", offset, shape, "F" if fortran else "C")


def _header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, order and dtype of an array, and where its numbers begin; all of it compared with the bytes that there are."""
    start = file.read(MAGIC + 4)
    version = np.lib.format.read_magic(io.BytesIO(start))
    width = 2 if version == (1, 0) else 4
    length = int.from_bytes(start[MAGIC : MAGIC + width], "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"its header has {length} bytes")
    begin = MAGIC + width + length
    text = io.BytesIO((start + file.read(max(0, begin - len(start))))[MAGIC:])
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(text)
    if dtype.hasobject:
        raise ValueError("Object arrays")
    # Numbers of any size: NumPy's own product of 2**64 is 0.
    declared = math.prod(map(int, shape)) * dtype.itemsize
    if any(axis < 0 for axis in shape) or len(shape) > 32 or begin + declared != size or not dtype.itemsize:
        raise ValueError(
            f"its header says {dtype} {str(shape)[:80]}, {declared} bytes, and the file holds {size - begin}"
        )
    return shape, fortran, dtype, begin
