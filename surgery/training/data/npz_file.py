"""Arrays of an `.npz` file; mapped, not read; those that are compressed are unpacked first."""

from __future__ import annotations

import io
import math
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from surgery.errors import DataInvalid, FileUnreadable, SurgeryError
from surgery.model.nearest import did_you_mean
from surgery.training.data.examples import Array
from surgery.training.place import Field

LOCAL_HEADER = 30
"""Bytes of a zip member's local header before its name."""
MAGIC = 8
"""Bytes of an array before the length of its header."""
LONGEST_HEADER = 1 << 16
PART = 1 << 20
DAMAGES = (ValueError, OSError, EOFError, struct.error, zlib.error, NotImplementedError, zipfile.BadZipFile)


def chosen(
    file: NpzFile, names: str | Mapping[str, str], wanted: Sequence[str], field: Field
) -> Iterator[tuple[str, Field]]:
    """The names of the arrays of a file, in the order of the model's inputs or outputs, each with its place.

    Raises:
        DataInvalid: The model has other ones.
    """
    if isinstance(names, str):
        if len(wanted) > 1:
            needed = "a map with" if field[-1] == "x" else "a map with one or more of"
            raise DataInvalid(
                f"the model has {len(wanted)} of these, and one array is given",
                expected=f"{needed} {', '.join(wanted)}",
                fix=f"{field[-1]}: {{{', '.join(f'{name}: ARRAY' for name in wanted)}}}",
                field=field,
            )
        yield names, field
        return
    for key in names:
        if key not in wanted:
            raise DataInvalid(
                f"the model has no '{key}'",
                expected=f"a map with {', '.join(wanted)}",
                fix=did_you_mean(key, wanted),
                field=(*field, key),
            )
    if missing := [name for name in wanted if name not in names]:
        raise DataInvalid(
            f"no array is given for '{missing[0]}'", expected=f"a map with {', '.join(wanted)}", field=field
        )
    yield from ((names[key], (*field, key)) for key in wanted)


def found(file: NpzFile, name: str, field: Field) -> str:
    """The name, if the file has such an array.

    Raises:
        DataInvalid: It has not.
    """
    if name not in file.names:
        raise DataInvalid(
            f"{file.path.name} has no array '{name}'",
            expected=f"one of {', '.join(file.names) or 'none: the file is empty'}",
            fix=did_you_mean(name, file.names),
            field=field,
        )
    return name


def single_number(name: str, field: Field) -> DataInvalid:
    """What to say of an array without an axis."""
    return DataInvalid(f"'{name}' is a single number", expected="an array with one entry for each example", field=field)


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
        except DAMAGES as error:
            raise self._refusal(name, error) from error

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """The shape and the dtype of that array, from its first bytes.

        Raises:
            DataInvalid: It holds Python objects.
            FileUnreadable: It is damaged.
        """
        member = self._members[name]
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(member) as content:
                shape, _, dtype, _ = _header(content, member.file_size)
        except DAMAGES as error:
            raise self._refusal(name, error) from error
        return shape, dtype

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
