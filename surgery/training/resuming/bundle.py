"""Nested values with arrays in them, in one file: a zip that `numpy.load` opens, too. Never pickle.

The arrays are stored members; one JSON document says where each belongs and has the digest of each. The digest of the document is
in its name, and so is the seal of this user. So whatever is read was written so, and here.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from surgery.errors import CheckpointForeign, FileUnreadable
from surgery.model.archive.container import open_regular
from surgery.model.archive.staging import open_stage, stage_path, sync_folder
from surgery.model.archive.zipping import ZipWriter, write_at
from surgery.training.data.examples import Array
from surgery.training.resuming.key import is_sealed, seal

LARGEST_DOCUMENT = 64 * 2**20
_DOCUMENT = re.compile(r"document-([0-9a-f]{64})(?:-([0-9a-f]{64}))?\.json")
_PURPOSE = "bundle"
_DAMAGES = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, TypeError, KeyError)
"""What the readers below raise where a file is not as it was written."""


class Packer:
    """Turns nested values into JSON and a list of arrays, each to be read when its turn comes. One that stands in several places
    is kept once."""

    def __init__(self) -> None:
        self.arrays: list[Callable[[], Array]] = []
        self._places: dict[int, int] = {}

    def pack(self, value: Any) -> Any:
        """The value as JSON.

        Raises:
            TypeError: It holds something else than plain values, NumPy's, lists, tuples, dicts with text as keys, and other
                mappings of text to arrays, which may make an array when it is asked for.
        """
        match value:
            case None | bool() | int() | float() | str() if type(value) in (type(None), bool, int, float, str):
                return value
            case np.ndarray():
                return {"array": self._place(value)}
            case np.generic():
                return {"scalar": self._place(np.asarray(value))}
            case list() if type(value) is list:
                return {"list": [self.pack(item) for item in value]}
            case tuple() if type(value) is tuple:
                return {"tuple": [self.pack(item) for item in value]}
            case dict() if type(value) is dict and all(type(key) is str for key in value):
                return {"dict": {key: self.pack(item) for key, item in value.items()}}
            case Mapping() if type(value) is not dict:
                return {"dict": {key: {"array": self._add(partial(value.__getitem__, key))} for key in value}}
        raise TypeError(f"a {type(value).__name__} cannot be kept")

    def _place(self, array: Array) -> int:
        if array.dtype.hasobject:
            raise TypeError("an array of objects cannot be kept")
        if id(array) not in self._places:
            self._places[id(array)] = self._add(lambda: array)
        return self._places[id(array)]

    def _add(self, read: Callable[[], Array]) -> int:
        self.arrays.append(read)
        return len(self.arrays) - 1


def unpack(packed: Any, arrays: list[Array]) -> Any:
    """What `Packer` made this of.

    Raises:
        ValueError, TypeError, LookupError: It was not made so.
    """
    match packed:
        case None | bool() | int() | float() | str():
            return packed
        case {"array": int(place)}:
            return arrays[place]
        case {"scalar": int(place)}:
            return arrays[place][()]
        case {"list": list(items)}:
            return [unpack(item, arrays) for item in items]
        case {"tuple": list(items)}:
            return tuple(unpack(item, arrays) for item in items)
        case {"dict": dict(items)}:
            return {key: unpack(item, arrays) for key, item in items.items()}
    raise ValueError("something that was not packed")


def write_bundle(path: Path, head: Mapping[str, Any], value: Any) -> None:
    """Writes a value beside its place, syncs it and renames it: a reader finds the old file or the new one, whole.

    Args:
        path: The file.
        head: What can be read alone: plain JSON.
        value: What `Packer` takes.

    Raises:
        OSError: The disk does not take it; the old file is as it was, or the new one is there.
        KeyUnusable: There is no key to seal it with.
    """
    packer = Packer()
    packed = packer.pack(value)
    stage = stage_path(path)
    descriptor = open_stage(stage)
    try:
        writer = ZipWriter(descriptor)
        members = [_add(writer, f"{number}.npy", read()) for number, read in enumerate(packer.arrays)]
        document = json.dumps({"head": dict(head), "members": members, "value": packed}).encode()
        digest = hashlib.sha256(document).hexdigest()
        writer.add(f"document-{digest}-{seal(_PURPOSE, document)}.json", document)
        writer.close()
        os.fsync(descriptor)
        stage.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            stage.unlink(missing_ok=True)
        os.close(descriptor)


def read_head(path: Path) -> dict[str, Any]:
    """What can be read alone.

    Raises:
        FileMissing, FileUnreadable: There is no such file, or it is not as it was written.
        CheckpointForeign: Somebody else has written it.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        try:
            head = _document(zipfile.ZipFile(file))["head"]
            return {**head}
        except _DAMAGES as error:
            raise FileUnreadable(f"{path} is damaged: {error}") from None


def read_bundle(path: Path) -> tuple[dict[str, Any], Any]:
    """The head and the value in a file.

    Raises:
        FileMissing, FileUnreadable: There is no such file, or it is not as it was written.
        CheckpointForeign: Somebody else has written it.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        try:
            archive = zipfile.ZipFile(file)
            document = _document(archive)
            arrays = [_array(archive, number, member) for number, member in enumerate(document["members"])]
            return {**document["head"]}, unpack(document["value"], arrays)
        except (*_DAMAGES, LookupError, RecursionError, MemoryError) as error:
            raise FileUnreadable(f"{path} is damaged: {error}") from None


def _add(writer: ZipWriter, name: str, array: Array) -> dict[str, str]:
    """Writes an array as NumPy does; one of a dtype that NumPy's format does not know, by its bits."""
    plain = np.ascontiguousarray(_bits(array)).reshape(array.shape)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(plain))
    header, content = head.getvalue(), plain.reshape(-1).view("u1").data
    begin = writer.begin(name)
    write_at(writer.descriptor, header, begin)
    write_at(writer.descriptor, content, begin + len(header))
    writer.finish(name, begin, len(header) + len(content), zlib.crc32(content, zlib.crc32(header)))
    return {"sha256": _digest(header, content), "dtype": array.dtype.name}


def _bits(array: Array) -> Array:
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "V" else array


def _digest(header: bytes, content: Any) -> str:
    digest = hashlib.sha256(header)
    digest.update(content)
    return digest.hexdigest()


def _document(archive: zipfile.ZipFile) -> dict[str, Any]:
    named = [(entry, found) for entry in archive.infolist() if (found := _DOCUMENT.fullmatch(entry.filename))]
    if len(named) != 1:
        raise ValueError("it has no document")
    ((entry, found),) = named
    data = _content(archive, entry, LARGEST_DOCUMENT)
    if hashlib.sha256(data).hexdigest() != found[1]:
        raise ValueError("the document is not the one that was written")
    if not is_sealed(found[2], _PURPOSE, data):
        raise CheckpointForeign("it does not have the seal of this user")
    document: dict[str, Any] = json.loads(data)
    return document


def _array(archive: zipfile.ZipFile, number: int, member: Mapping[str, str]) -> Array:
    entry = archive.getinfo(f"{number}.npy")
    data = _content(archive, entry, entry.compress_size)
    if hashlib.sha256(data).hexdigest() != member["sha256"]:
        raise ValueError(f"{entry.filename} is not what was written")
    array: Array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return array if array.dtype.name == member["dtype"] else array.view(np.dtype(member["dtype"]))


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, largest: int) -> bytes:
    """A stored member, which is as large as it says and no larger than the file that it is in."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.file_size > largest:
        raise ValueError(f"{entry.filename} is not stored as it should be")
    return archive.read(entry)
