"""Variables as byte ranges of their files: compared without being mapped, and without NumPy, which takes as long to load."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass

from surgery.errors import FileUnreadable
from surgery.model.archive.checksum import Checksum

BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Range:
    """A variable that lies in one piece in an open file."""

    descriptor: int
    begin: int
    size: int
    item: int
    """Bytes of one number."""
    kind: tuple[tuple[int, ...], str]
    """Shape and type: ranges of another kind hold other values, whatever their bytes are."""
    checksum: Checksum | None = None
    """Who wants to know the sum of the bytes."""

    def start(self, count: int) -> bytes:
        """The first numbers."""
        return os.pread(self.descriptor, min(self.size, count * self.item), self.begin)


def same_range(one: Range, other: Range) -> bool:
    """Whether two variables are the same bits.

    Raises:
        FileUnreadable: a file became shorter meanwhile.
    """
    if one.kind != other.kind or one.size != other.size:
        return False
    room = bytearray(min(BLOCK, one.size)), bytearray(min(BLOCK, one.size))
    checksum = 0
    for position in range(0, one.size, BLOCK):
        left = one.size - position
        if left < len(room[0]):
            room = bytearray(left), bytearray(left)
        for into, source in zip(room, (one, other), strict=True):
            _fill(into, source, position)
        if room[0] != room[1]:
            return False
        # What is the same is summed once for both.
        checksum = zlib.crc32(room[0], checksum)
    for source in (one, other):
        if source.checksum is not None:
            source.checksum.tell(source.begin, source.size, checksum)
    return True


def _fill(room: bytearray, source: Range, position: int) -> None:
    # The system reads ahead by itself; asked to (posix_fadvise), it made a cold compare twice as long.
    if os.preadv(source.descriptor, [room], source.begin + position) != len(room):
        raise FileUnreadable("a file became shorter while it was compared", fix="run the command again")
