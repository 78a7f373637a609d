"""The CRC-32 that an archive has of its weights, compared with their bytes whenever these are used.

Keras reads a member as a whole, and `zipfile` compares for it. Here ranges of the file are mapped, so the sum is taken apart: whoever
goes through the bytes of a range anyway tells the sum of it, and what nobody told is read when the values are closed.
"""

from __future__ import annotations

import os
import zlib
from functools import cache

from surgery.errors import FileUnreadable
from surgery.model.hdf5 import Member

PART = 1 << 18
"""Bytes that are read in one go: they are still in the processor's cache when the sum is taken."""
LARGE = 1 << 20
"""Bytes of a range from which putting sums together is quicker than reading it again."""
KNOWN_FILES = 64
POLYNOMIAL = 0xEDB88320

_KNOWN: dict[tuple[int, ...], int] = {}


class Checksum:
    """The checksum of a member of an open archive. It is computed once for the same bytes of the same file."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._told: dict[int, tuple[int, int]] = {}

    def tell(self, begin: int, size: int, checksum: int) -> None:
        """Somebody went through a range of the file."""
        if size >= LARGE:
            self._told[begin - self._member.start] = (size, checksum)

    def compare(self, expected: int, path: object, name: str) -> None:
        """Compares the whole member with what the archive says.

        Raises:
            FileUnreadable: they differ, so that a bit of the member is not what was written.
        """
        found = self._found(str(path))
        if found != expected:
            raise FileUnreadable(
                f"{path} is damaged: the checksum of {name} is {found:08x}, and the archive says {expected:08x}",
                expected="the bytes that were saved; a flipped bit or an interrupted copy makes others of them",
                fix=f"get the file again, and compare it with the original: sha256sum {path}",
            )

    def _found(self, path: str) -> int:
        member = self._member
        status = os.fstat(member.descriptor)
        times = (status.st_mtime_ns, status.st_ctime_ns)
        identity = (status.st_dev, status.st_ino, status.st_size, *times, member.start, member.size)
        if identity not in _KNOWN:
            if len(_KNOWN) >= KNOWN_FILES:
                del _KNOWN[next(iter(_KNOWN))]
            _KNOWN[identity] = self._computed(path)
        return _KNOWN[identity]

    def _computed(self, path: str) -> int:
        checksum = position = 0
        for begin, (size, part) in sorted(self._told.items()):
            if begin >= position:
                checksum = joined(self._read(position, begin, checksum, path), part, size)
                position = begin + size
        return self._read(position, self._member.size, checksum, path)

    def _read(self, position: int, end: int, checksum: int, path: str) -> int:
        room = memoryview(bytearray(PART))
        while position < end:
            self._member.seek(position)
            count = self._member.readinto(room[: min(PART, end - position)])
            if not count:
                raise FileUnreadable(f"{path} became shorter while it was read", fix="run the command again")
            checksum, position = zlib.crc32(room[:count], checksum), position + count
        return checksum


def joined(first: int, second: int, size: int) -> int:
    """The checksum of two byte strings one after the other, of which the second one has that size."""
    bits = 8 * size
    power, shift = 1 << 31, 0
    while bits >> shift:
        if bits >> shift & 1:
            power = _product(_square_of(shift), power)
        shift += 1
    return _product(power, first) ^ second


@cache
def _square_of(count: int) -> int:
    """x to the power of two to the power of `count`."""
    return _product(_square_of(count - 1), _square_of(count - 1)) if count else 1 << 30


def _product(one: int, other: int) -> int:
    """Of two polynomials over GF(2), modulo that of CRC-32; their lowest coefficient is the highest bit."""
    result = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            result ^= other
        other = other >> 1 ^ (POLYNOMIAL if other & 1 else 0)
    return result
