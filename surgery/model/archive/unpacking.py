"""Values of a dataset that is cut into chunks or compressed. Keras writes none; other programs do.

libhdf5 holds a chunk as a whole, and inflates it to whatever comes out, however small the chunk is said to be. So each is inflated
here first, a little at a time and only to be counted. What is large then goes into a file without a name, chunk by chunk, and is
mapped like any other variable.
"""

from __future__ import annotations

import math
import os
import tempfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from surgery.errors import FileUnreadable
from surgery.model.hdf5 import Block, Member, map_block

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

SMALL = 1 << 24
"""Bytes of a dataset that is read as a whole."""
STEP = 1 << 20
CHECK_BYTES = 4
"""What the filter `fletcher32` adds to a chunk."""
DEFLATE = 1


def unpack(dataset: h5py.Dataset, member: Member, block: Block, where: str) -> NDArray[Any]:
    """The values of a dataset that is not one byte range.

    Raises:
        FileUnreadable: a chunk is damaged, or holds more than it may.
    """
    try:
        if dataset.chunks is not None:
            _check_chunks(dataset, member)
        if dataset.size * dataset.dtype.itemsize <= SMALL:
            whole: NDArray[Any] = dataset[()]
            return whole
        return _mapped(dataset, block)
    except (OSError, ValueError, zlib.error) as error:
        raise FileUnreadable(f"the values of {block.path} in {where} cannot be read: {error}") from None


def _check_chunks(dataset: h5py.Dataset, member: Member) -> None:
    plan = dataset.id.get_create_plist()
    largest = math.prod(dataset.chunks) * dataset.dtype.itemsize + CHECK_BYTES
    is_deflated = DEFLATE in (plan.get_filter(index)[0] for index in range(plan.get_nfilters()))

    def check(chunk: Any) -> None:
        # Deflate makes what it cannot make smaller a little larger.
        if chunk.size > largest + largest // 512 + 64 or chunk.byte_offset + chunk.size > member.size:
            raise ValueError(f"a chunk of {largest} bytes has {chunk.size}")
        if is_deflated and _is_more(member, chunk.byte_offset, chunk.size, largest):
            raise ValueError(f"a chunk inflates to more than its {largest} bytes")

    dataset.id.chunk_iter(check)


def _is_more(member: Member, begin: int, size: int, largest: int) -> bool:
    """Whether a deflated chunk becomes larger than it may."""
    inflater, count = zlib.decompressobj(), 0
    for position in range(begin, begin + size, STEP):
        data = os.pread(member.descriptor, min(STEP, begin + size - position), member.start + position)
        while data and not inflater.eof:
            count += len(inflater.decompress(data, STEP))
            data = inflater.unconsumed_tail
            if count > largest:
                return True
    return False


def _mapped(dataset: h5py.Dataset, block: Block) -> NDArray[Any]:
    import numpy as np

    with tempfile.TemporaryFile(prefix="surgery-") as room:
        values = np.memmap(room, dataset.dtype, "w+", shape=dataset.shape)
        for place in dataset.iter_chunks():
            values[place] = dataset[place]
        values.flush()
        del values
        return map_block(room.fileno(), 0, replace(block, offset=0))
