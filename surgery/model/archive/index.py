"""Where the variables of a file lie, as the process that scanned it has handed it back: nothing needs to be parsed twice.

What it says is said of a stranger's file, by a process that this file may have taken over. So every range is checked against the
file, and it is believed only of the very bytes that were scanned: the same device, inode, size and times.
"""

from __future__ import annotations

import os
import re
from typing import Any

from surgery.errors import ModelInvalid
from surgery.model.hdf5 import Block, Group

Identity = tuple[int, int, int, int, int]
"""Device, inode, size, times of modification and change."""

KEPT = ("layers", "vars", "_layer_checkpoint_dependencies")
"""What of a weights file is the model's; the last is `layers` of Keras 2.12 to 2.14. An optimizer's variables are not read."""

_KEPT: dict[Identity, Any] = {}
_KEPT_FILES = 8

_STORED = re.compile(r"[<>|]([iu][1248]|f(?:2|4|8|16))")
_WORDS = {"f": "float", "i": "int", "u": "uint"}
_OTHERS = {"|V2": ("bfloat16", 2), "|b1": ("bool", 1)}
"""bfloat16 is no type of NumPy's, nor of HDF5's."""


def keep(identity: Identity, index: Any) -> None:
    """Keeps the list of a file that was scanned and accepted."""
    _KEPT[identity] = index
    if len(_KEPT) > _KEPT_FILES:
        del _KEPT[next(iter(_KEPT))]


def kept(descriptor: int, size: int) -> Group | None:
    """The headers of an open file, if it is one that was scanned.

    Args:
        descriptor: The file.
        size: How many bytes the HDF5 file in it has.

    Raises:
        ModelInvalid: the list cannot be that of this file.
    """
    status = os.fstat(descriptor)
    index = _KEPT.get((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    if index is None:
        return None
    try:
        return _group(index, "", size)
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError):
        raise ModelInvalid("the weights file was not described as it is") from None


def _group(said: Any, path: str, size: int) -> Group:
    name, blocks, groups = said
    if not isinstance(name, str | None):
        raise TypeError(path)
    return Group(
        name,
        {key: _block(block, f"{path}/{key}", size) for key, block in blocks.items()},
        {key: _group(group, f"{path}/{key}", size) for key, group in groups.items()},
    )


def _block(said: Any, path: str, size: int) -> Block:
    shape, stored_as, offset = said
    dtype, item = _dtype(stored_as)
    if not all(_is_count(number) for number in (*shape, 0 if offset is None else offset)):
        raise ValueError(path)
    block = Block(path, tuple(shape), dtype, stored_as, offset)
    if offset is not None and offset + block.size * item > size:
        raise ValueError(path)
    return block


def _is_count(number: Any) -> bool:
    return type(number) is int and number >= 0


def _dtype(stored_as: str) -> tuple[str, int]:
    """What Keras calls a dtype, and how many bytes a number has."""
    if stored_as in _OTHERS:
        return _OTHERS[stored_as]
    found = _STORED.fullmatch(stored_as)
    if found is None:
        raise ValueError(stored_as)
    kind, item = found[1][0], int(found[1][1:])
    return f"{_WORDS[kind]}{8 * item}", item
