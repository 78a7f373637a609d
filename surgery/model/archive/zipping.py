"""A zip writer that is told everything: fixed times, stored members, and one large member written in place.

Python's `zipfile` can stream a member, but not let HDF5 write into it. Here the archive is laid out by hand, so that the
weights go to their final place at once. Beyond 4 GiB it uses the zip64 records.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

DOS_DATE = 0x21
"""1 January 1980, midnight: the first moment that a zip can tell."""
LIMIT = 0xFFFFFFFF
ALIGNMENT = 64
PADDING = 0xD935
"""Header id of padding in an extra field, as Android's zipalign uses it."""
REGULAR_FILE = (0o100600 << 16) & LIMIT

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR64 = struct.Struct("<4sLQL")


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished member."""

    name: bytes
    offset: int
    size: int
    checksum: int

    @property
    def is_large(self) -> bool:
        return self.size >= LIMIT or self.offset >= LIMIT


class ZipWriter:
    """Writes members one after the other into an open, empty file."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._position = 0
        self._entries: list[Entry] = []

    def add(self, name: str, data: bytes) -> None:
        """A member whose content is at hand."""
        import zlib

        begin = self.begin(name)
        write_at(self.descriptor, data, begin)
        self.finish(name, begin, len(data), zlib.crc32(data))

    def begin(self, name: str) -> int:
        """Where the content of the next member goes: aligned, so that mapped numbers are aligned too."""
        return self._position + len(self._local_header(name.encode(), 0, 0))

    def finish(self, name: str, begin: int, size: int, checksum: int) -> None:
        """Writes the header of a member whose content is in place."""
        header = self._local_header(name.encode(), size, checksum)
        if self._position + len(header) != begin:
            raise ValueError(f"{name} does not begin where it was told to")
        write_at(self.descriptor, header, self._position)
        self._entries.append(Entry(name.encode(), self._position, size, checksum))
        self._position = begin + size

    def close(self) -> None:
        """Writes the directory, and cuts off what lies behind it."""
        directory = b"".join(map(_central_header, self._entries))
        tail = directory + _end(len(self._entries), len(directory), self._position)
        write_at(self.descriptor, tail, self._position)
        os.ftruncate(self.descriptor, self._position + len(tail))

    def _local_header(self, name: bytes, size: int, checksum: int) -> bytes:
        """Always with room for 64-bit sizes, so that its length does not depend on the size of what follows."""
        sizes = struct.pack("<2H2Q", 1, 16, size, size) if size >= LIMIT else struct.pack("<2H16x", PADDING, 16)
        end = self._position + LOCAL.size + len(name) + len(sizes) + 4
        extra = sizes + struct.pack("<2H", PADDING, -end % ALIGNMENT) + bytes(-end % ALIGNMENT)
        short = min(size, LIMIT)
        version = 45 if size >= LIMIT else 20
        fixed = LOCAL.pack(b"PK\x03\x04", version, 0, 0, 0, DOS_DATE, checksum, short, short, len(name), len(extra))
        return fixed + name + extra


def _central_header(entry: Entry) -> bytes:
    large = (entry.size, entry.size, entry.offset) if entry.is_large else ()
    extra = struct.pack("<2H3Q", 1, 24, *large) if large else b""
    size, offset = (LIMIT, LIMIT) if large else (entry.size, entry.offset)
    version = 45 if large else 20
    numbers = (version | 3 << 8, version, 0, 0, 0, DOS_DATE, entry.checksum, size, size)
    lengths = (len(entry.name), len(extra), 0, 0, 0, REGULAR_FILE, offset)
    return CENTRAL.pack(b"PK\x01\x02", *numbers, *lengths) + entry.name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    if offset < LIMIT and size < LIMIT and count < 0xFFFF:
        return END.pack(b"PK\x05\x06", 0, 0, count, count, size, offset, 0)
    large = END64.pack(b"PK\x06\x06", END64.size - 12, 45, 45, 0, 0, count, count, size, offset)
    locator = LOCATOR64.pack(b"PK\x06\x07", 0, offset + size, 1)
    short = min(count, 0xFFFF)
    return large + locator + END.pack(b"PK\x05\x06", 0, 0, short, short, min(size, LIMIT), LIMIT, 0)


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Writes all of it; the kernel may take a part at a time."""
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count
