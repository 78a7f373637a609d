"""HDF5 as a tree of headers: where each dataset's bytes lie, without reading them.

Keras writes datasets uncompressed and contiguous, so that a variable is one byte range of the file. Only headers are
parsed here; the bytes are mapped when somebody asks for them.
"""

from __future__ import annotations

import io
import math
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from surgery.errors import FileUnreadable, ModelInvalid

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_DEPTH = 64


class Member(io.RawIOBase):
    """A byte range of an open file as a file of its own, for h5py.

    `zipfile`'s own file object reads everything again to seek backwards, and HDF5 seeks backwards all the time.
    """

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        super().__init__()
        self.descriptor, self.start, self.size = descriptor, start, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self.size - self._position))
        count = os.preadv(self.descriptor, [view[:wanted]], self.start + self._position) if wanted else 0
        self._position += count
        return count


@dataclass(frozen=True, slots=True)
class Block:
    """A dataset: shape, dtype, and where its bytes are."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    """As Keras calls it: `float32`, `bfloat16`."""
    stored_as: str
    """As NumPy reads it from the file: `<f4`."""
    offset: int | None
    """Where its bytes begin in the HDF5 file; None when they are not one byte range (chunked, compressed)."""

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(slots=True)
class Group:
    """A group: its attribute `name`, its datasets and its groups."""

    name: str | None = None
    blocks: dict[str, Block] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Block]]:
        """Every dataset below, with its path from here; a group's own before those of its groups."""
        for name, block in self.blocks.items():
            yield prefix + name, block
        for name, group in self.groups.items():
            yield from group.walk(f"{prefix}{name}/")


def open_file(member: Member, path: str) -> h5py.File:
    """The HDF5 file in a byte range, for reading.

    Raises:
        FileUnreadable: when it is not HDF5, or is cut off.
    """
    import h5py

    try:
        return h5py.File(member, "r")
    except OSError as error:
        raise FileUnreadable(
            f"the weights in {path} cannot be read as HDF5: {error}",
            expected="a complete file; an interrupted copy or save leaves a shorter one",
        ) from None


def read_tree(group: h5py.Group, size: int) -> Group:
    """The headers below a group.

    Args:
        group: An open group.
        size: How many bytes the HDF5 file has.

    Raises:
        ModelInvalid: links, external or virtual storage, no numbers, or a shape that disagrees with the stored bytes.
    """
    return _tree(group.id, str(group.name), size, 0)


def _tree(group: h5py.h5g.GroupID, path: str, size: int, depth: int) -> Group:
    """h5py's own classes ask much more of each object than is needed here, and a model has thousands."""
    from h5py import Group as HighGroup
    from h5py import h5a, h5d, h5l, h5o

    if depth > MAX_DEPTH:
        raise ModelInvalid(f"the weights file has groups nested deeper than {MAX_DEPTH}: {path[:80]}")
    name = HighGroup(group).attrs["name"] if h5a.exists(group, b"name") else None
    tree = Group(name=name.decode() if isinstance(name, bytes) else name)
    for key in sorted((key.decode() for key in group), key=natural):
        place = f"{path}/{key}"
        if group.links.get_info(key.encode()).type != h5l.TYPE_HARD:
            raise ModelInvalid(f"the weights file has a link in place of data at {place}")
        child = h5o.open(group, key.encode())
        if isinstance(child, h5d.DatasetID):
            tree.blocks[key] = _block(child, place, size)
        else:
            tree.groups[key] = _tree(child, place, size, depth + 1)
    return tree


def read_block(dataset: h5py.Dataset, size: int) -> Block:
    """The header of one dataset, checked against the file."""
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise ModelInvalid(f"the weights file holds no numbers at {dataset.name}")
    return _block(dataset.id, str(dataset.name), size)


def _block(dataset: h5py.h5d.DatasetID, path: str, size: int) -> Block:
    from h5py import h5d

    kind, shape = dataset.dtype, dataset.shape
    is_bfloat16 = kind.str == "|V2" and _dtype_attribute(dataset) == "bfloat16"
    if shape is None or (kind.kind not in "biufc" and not is_bfloat16):
        raise ModelInvalid(f"the weights file holds no numbers at {path}")
    layout = dataset.get_create_plist()
    if layout.get_layout() == h5d.VIRTUAL or layout.get_external_count():
        raise ModelInvalid(f"the weights file refers to other files at {path}")
    dtype = "bfloat16" if is_bfloat16 else str(kind.newbyteorder("=").name)
    offset = dataset.get_offset() if layout.get_layout() == h5d.CONTIGUOUS else None
    block = Block(path, tuple(map(int, shape)), dtype, kind.str, offset)
    is_chunked = layout.get_layout() == h5d.CHUNKED
    _check_size(block, kind.itemsize, int(dataset.get_storage_size()), size, is_chunked)
    return block


def _dtype_attribute(dataset: h5py.h5d.DatasetID) -> str:
    from h5py import Dataset

    said = Dataset(dataset).attrs.get("dtype")
    return said.decode() if isinstance(said, bytes) else str(said)


def _check_size(block: Block, item: int, stored: int, size: int, is_chunked: bool) -> None:
    declared = block.size * item
    if block.offset is not None and (stored != declared or block.offset + stored > size):
        raise ModelInvalid(f"{block.path} declares {declared} bytes, and the file holds {stored}: it is damaged")
    if is_chunked and declared > 1000 * max(stored, 4096):
        raise ModelInvalid(f"{block.path} declares {declared} bytes, and the file holds {stored}")
    if block.offset is None and not is_chunked and declared > max(stored, 0):
        raise ModelInvalid(f"{block.path} declares {declared} bytes, and the file holds none of them")


def natural(name: str) -> tuple[int, int, str]:
    """Sorts `10` after `9`, and numbers before words."""
    return (0, int(name), "") if name.isdecimal() and len(name) < 10 else (1, 0, name)


def item_bytes(stored_as: str) -> int:
    """Bytes of one number of a type: `<f4` has four."""
    return int(stored_as[2:])


def map_block(descriptor: int, start: int, block: Block) -> NDArray[Any]:
    """A dataset that is one byte range, as a read-only array over the file's own pages.

    Args:
        descriptor: The open file.
        start: Where the HDF5 file begins in it.
        block: The dataset.
    """
    import numpy as np

    dtype = np.dtype(block.stored_as)
    if not block.size:
        return np.empty(block.shape, dtype)
    if block.offset is None:
        raise ValueError(f"{block.path} is not one byte range")
    begin = start + block.offset
    page = begin - begin % mmap.ALLOCATIONGRANULARITY
    length = begin - page + block.size * dtype.itemsize
    pages = Pages(descriptor, length, access=mmap.ACCESS_READ, offset=page)
    return np.ndarray(block.shape, dtype, buffer=pages, offset=begin - page)


class Pages(mmap.mmap):
    """Pages of a file that nobody writes to: the kernel may take them back at any time and read them again."""


def forget(array: NDArray[Any]) -> None:
    """Gives the memory behind a mapped array back. Its values stay readable, from the file."""
    base: Any = array
    while base is not None and not isinstance(base, Pages):
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def as_declared(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The array in the dtype that Keras gives it: bits of bfloat16 become numbers where NumPy knows that dtype."""
    if dtype != "bfloat16":
        return array
    try:
        import ml_dtypes
    except ImportError:
        return array.view("<u2")
    return array.view(ml_dtypes.bfloat16)


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The dtype that `as_declared` gives."""
    import numpy as np

    return as_declared(np.empty(0, "<V2" if dtype == "bfloat16" else dtype), dtype).dtype
