"""The zip archive of a `.keras` file: where its members lie, found without believing what it says of them."""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property

from surgery.model.scan import limits

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
KNOWN_MEMBERS = re.compile(
    r"(config\.json|metadata\.json|model\.weights\.h5|surgery\.json|assets/.*|surgery/.*)", re.DOTALL
)

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
LOCAL = struct.Struct("<4s5H3L2H")


@dataclass(frozen=True, slots=True)
class View:
    """A range of an open file, for reading."""

    descriptor: int
    start: int
    size: int

    def read(self, position: int, size: int) -> bytes:
        """Up to `size` bytes; less at the end of the range, nothing outside it."""
        size = min(size, self.size - position) if position >= 0 else 0
        parts = []
        while size > 0:
            part = os.pread(self.descriptor, size, self.start + position)
            if not part:
                break
            parts.append(part)
            position, size = position + len(part), size - len(part)
        return b"".join(parts)


class _Raw:
    """What `zipfile` needs of a file object, over a view."""

    def __init__(self, view: View) -> None:
        self.view, self.position = view, 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.view.size}[whence]
        if base + offset < 0:
            raise OSError("negative seek")
        self.position = base + offset
        return self.position

    def read(self, size: int = -1) -> bytes:
        data = self.view.read(self.position, self.view.size if size < 0 else size)
        self.position += len(data)
        return data


@dataclass(frozen=True, slots=True)
class Directory:
    """The end record: where the central directory lies, how large it says it is, what follows it."""

    start: int
    size: int
    entries: int
    trailing: int


@dataclass(frozen=True)
class Archive:
    """A zip file. `problem` says why its directory could not be read; the members are empty then."""

    view: View

    @cached_property
    def directory(self) -> Directory | None:
        return _directory(self.view)

    @cached_property
    def is_listable(self) -> bool:
        """Whether the directory is small enough to be read."""
        found = self.directory
        return bool(found and found.size <= limits.DIRECTORY_BYTES and found.entries <= limits.MEMBERS)

    @cached_property
    def members(self) -> tuple[zipfile.ZipInfo, ...]:
        return self._listing[0]

    @cached_property
    def problem(self) -> str:
        if self.directory is None:
            return "the zip directory at its end is missing"
        return self._listing[1]

    @cached_property
    def _listing(self) -> tuple[tuple[zipfile.ZipInfo, ...], str]:
        if not self.is_listable:
            return (), ""
        try:
            with zipfile.ZipFile(_Raw(self.view)) as archive:
                return tuple(archive.infolist()), ""
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError) as error:
            return (), f"the zip directory is damaged: {error}"
        except (OSError, ValueError, struct.error, RuntimeError, IndexError, OverflowError) as error:
            return (), f"the zip directory is damaged: {error}"

    def find(self, name: str) -> zipfile.ZipInfo | None:
        return next((member for member in self.members if member.filename == name), None)

    @cached_property
    def extents(self) -> dict[int, tuple[int, int, int] | None]:
        """By position in `members`: where the local header, the data and its end lie; None without a header."""
        return {index: _extent(self.view, member) for index, member in enumerate(self.members)}

    def data_of(self, name: str) -> View | None:
        """The bytes of a member as they are stored."""
        for index, member in enumerate(self.members):
            extent = self.extents[index]
            if member.filename == name and extent:
                return View(self.view.descriptor, self.view.start + extent[1], member.compress_size)
        return None

    def read(self, name: str, limit: int) -> bytes | None:
        """A whole member, inflated, checked by its checksum; None where it is damaged or larger than `limit`."""
        member, stored = self.find(name), self.data_of(name)
        if member is None or stored is None or max(member.file_size, member.compress_size) > limit:
            return None
        data = stored.read(0, stored.size)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            inflater = zlib.decompressobj(-15)
            try:
                data = inflater.decompress(data, limit + 1)
            except zlib.error:
                return None
        whole = len(data) == member.file_size and zlib.crc32(data) == member.CRC
        return data if whole else None


def _directory(view: View) -> Directory | None:
    tail_start = max(0, view.size - 65_557)
    tail = view.read(tail_start, 65_557)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        return None
    _, _, _, _, entries, size, start, comment = _END.unpack_from(tail, at)
    trailing = len(tail) - at - _END.size
    if max(entries, size >> 16, start >> 16) == 0xFFFF:
        large = _directory64(view, tail_start + at)
        if large:
            entries, size, start = large
    return Directory(start, size, entries, max(trailing, comment))


def _directory64(view: View, end: int) -> tuple[int, int, int] | None:
    locator = view.read(end - _END64_LOCATOR.size, _END64_LOCATOR.size) if end >= _END64_LOCATOR.size else b""
    if len(locator) < _END64_LOCATOR.size or not locator.startswith(b"PK\x06\x07"):
        return None
    record = view.read(_END64_LOCATOR.unpack(locator)[2], _END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        return None
    *_, entries, size, start = _END64.unpack(record)
    return entries, size, start


def _extent(view: View, member: zipfile.ZipInfo) -> tuple[int, int, int] | None:
    header = view.read(member.header_offset, LOCAL.size)
    if len(header) < LOCAL.size or not header.startswith(b"PK\x03\x04"):
        return None
    *_, name_size, extra_size = LOCAL.unpack(header)
    data = member.header_offset + LOCAL.size + name_size + extra_size
    end = data + member.compress_size
    return (member.header_offset, data, end) if end <= view.size else None
