"""Describes an HDF5 file without reading its data. Everything here calls libhdf5, so it runs in the killable child alone."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from surgery.model.scan import limits
from surgery.model.scan.archive import View

SIGNATURE = b"\x89HDF\r\n\x1a\n"
READ_BYTES = 8192
FEW = 8
ODD = "\0"
"""Stands for an attribute that is no single text, or a very long one."""
NUMPY = {"integer", "float", "enum", "opaque 2-byte"}
"""Types that NumPy may know; of others it is not asked."""


class Attribute(NamedTuple):
    """An attribute of a group or dataset; `size` in bytes."""

    name: str
    type: str
    size: int

    @property
    def is_short_text(self) -> bool:
        return self.type.endswith("string") and self.size <= limits.LABEL_BYTES


class Entry(NamedTuple):
    """One link of the file and what it leads to.

    `kind` is `group`, `dataset`, `type`, `soft`, `external` or `user`; the rest is known of datasets alone. `declared` and
    `stored` are bytes, `offset` where a contiguous dataset lies in the file. `label` is what the attribute `name` of a group or
    `dtype` of a dataset says, which Keras writes as text; `stored_as` how NumPy reads a dataset.
    """

    path: str
    kind: str
    address: int = 0
    links: int = 1
    type: str = ""
    shape: tuple[int, ...] = ()
    declared: int = 0
    stored: int = 0
    offset: int | None = None
    filters: tuple[int, ...] = ()
    chunk: int = 0
    """Bytes of one chunk; 0 where the dataset is not cut into chunks."""
    chunks: int = 0
    """Into how many the dataset is cut."""
    is_virtual: bool = False
    is_external: bool = False
    attributes: tuple[Attribute, ...] = ()
    label: str | None = None
    stored_as: str = ""

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass
class Description:
    """What an HDF5 file holds. `problem` says why the walk ended early."""

    size: int
    entries: list[Entry] = field(default_factory=list)
    problem: str = ""
    is_cut: bool = False
    """The walk met a limit: too many objects or too deep."""
    has_signature: bool = True
    texts: dict[str, bytes] = field(default_factory=dict)
    """Attributes of the root that hold JSON: `model_config`, `training_config`."""


class _Stream(io.RawIOBase):
    """A view as the file object that h5py reads."""

    def __init__(self, view: View) -> None:
        self.view, self.position = view, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.view.size}[whence]
        self.position = max(0, base + offset)
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: Any) -> int:
        data = self.view.read(self.position, len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


def describe(view: View, source: io.IOBase | None = None) -> Description:
    """The links, objects and attributes of an HDF5 file; `source` is given where the bytes are not those of the view."""
    found = Description(view.size)
    if source is None and view.read(0, len(SIGNATURE)) != SIGNATURE:
        found.has_signature = False
        return found
    import h5py

    try:
        # Headers are small and lie side by side.
        with h5py.File(source or io.BufferedReader(_Stream(view), READ_BYTES), "r") as file:
            _keep_little(file.id)
            for entry in _Walk(found).entries(file.id):
                found.entries.append(entry)
            _read_texts(file, found)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, UnicodeError) as error:
        found.problem = f"{type(error).__name__}: {error}"
    return found


def _keep_little(file: Any) -> None:
    """Bounds the cache of a file that is walked through once."""
    cache = file.get_mdc_config()
    cache.set_initial_size = True
    cache.initial_size = cache.min_size = cache.max_size = limits.HDF5_CACHE_BYTES
    file.set_mdc_config(cache)


class _Walk:
    """Goes from link to link. h5py's own classes ask much more of each object, and a model has tens of thousands."""

    def __init__(self, found: Description) -> None:
        from h5py import h5a, h5d, h5g, h5l, h5o

        self.found = found
        self.h5a, self.h5d, self.h5g, self.h5l, self.h5o = h5a, h5d, h5g, h5l, h5o
        self._last: tuple[Any, str, int, str] = (None, "", 0, "")

    def entries(self, file: Any) -> Iterator[Entry]:
        """Every link, a group before what is in it. A group is open only as long as it is walked through."""
        root = self.h5g.open(file, b"/")
        address = self.h5o.get_info(root).addr
        attributes, label = self._attributes(root, "name")
        yield Entry("/", "group", address, attributes=attributes, label=label)
        seen, count = {address}, root.get_num_objs()
        stack = [("", root, self._names(root))]
        while stack:
            if count > limits.HDF5_OBJECTS or len(stack) - 1 > limits.HDF5_DEPTH:
                self.found.is_cut = True
                return
            path, group, names = stack[-1]
            for name in names:
                entry, inner = self._entry(group, name, f"{path}/{name.decode('utf-8', 'backslashreplace')}")
                yield entry
                is_new = entry.address not in seen
                seen.add(entry.address)
                if inner is not None and is_new:
                    count += inner.get_num_objs()
                    stack.append((entry.path, inner, self._names(inner)))
                    break
            else:
                stack.pop()

    def _names(self, group: Any) -> Iterator[bytes]:
        """Asking for one name after the other is quick for a few, and takes the square of their number."""
        count = group.get_num_objs()
        return iter([group.get_objname_by_idx(i) for i in range(count)] if count <= FEW else list(group))

    def _entry(self, group: Any, name: bytes, path: str) -> tuple[Entry, Any]:
        """What a link leads to, and the group to walk on with. Only hard links are followed."""
        kind = group.links.get_info(name).type
        if kind != self.h5l.TYPE_HARD:
            names = {self.h5l.TYPE_SOFT: "soft", self.h5l.TYPE_EXTERNAL: "external"}
            return Entry(path, names.get(kind, "user")), None
        item = self.h5o.open(group, name)
        info = self.h5o.get_info(item)
        if info.type == self.h5o.TYPE_GROUP:
            attributes, label = self._attributes(item, "name")
            return Entry(path, "group", info.addr, info.rc, attributes=attributes, label=label), item
        if info.type == self.h5o.TYPE_DATASET:
            return self._dataset(item, path, info), None
        return Entry(path, "type", info.addr, info.rc), None

    def _dataset(self, dataset: Any, path: str, info: Any) -> Entry:
        filters: tuple[int, ...] = ()
        cut: tuple[int, ...] = ()
        offset = dataset.get_offset()
        if offset is None:
            # Only a contiguous dataset of this file that has its bytes lies at an offset.
            plist = dataset.get_create_plist()
            layout = plist.get_layout()
            external = layout not in (self.h5d.CHUNKED, self.h5d.VIRTUAL) and plist.get_external_count() > 0
            if layout == self.h5d.VIRTUAL or external:
                return Entry(path, "dataset", info.addr, info.rc, is_virtual=not external, is_external=external)
            if layout == self.h5d.CHUNKED:
                filters = tuple(plist.get_filter(i)[0] for i in range(plist.get_nfilters()))
                cut = tuple(map(int, plist.get_chunk()))
        kind, item_bytes, stored_as = self._type(dataset)
        shape = tuple(map(int, dataset.shape or ()))
        attributes, label = self._attributes(dataset, "dtype")
        declared = math.prod(shape) * item_bytes
        stored = int(dataset.get_storage_size())
        # Positional: a model has tens of thousands of these.
        return Entry(
            path,
            "dataset",
            info.addr,
            info.rc,
            kind,
            shape,
            declared,
            stored,
            offset,
            filters,
            math.prod(cut) * item_bytes if cut else 0,
            math.prod(-(-size // part) for size, part in zip(shape, cut, strict=False)) if cut else 0,
            False,
            False,
            attributes,
            label,
            stored_as,
        )

    def _type(self, dataset: Any) -> tuple[str, int, str]:
        """Class and size of a dataset's type and how NumPy reads it; most datasets have the type of the one before."""
        kind = dataset.get_type()
        if self._last[0] is None or kind != self._last[0]:
            name = type_name(kind)
            self._last = (kind, name, int(kind.get_size()), kind.dtype.str if name in NUMPY else "")
        return self._last[1:]

    def _attributes(self, item: Any, wanted: str) -> tuple[tuple[Attribute, ...], str | None]:
        """The attributes of an object, and what the wanted one says."""
        found, label = [], None
        for index in range(min(self.h5a.get_num_attrs(item), limits.HDF5_ATTRIBUTES + 1)):
            attribute = self.h5a.open(item, index=index)
            name = attribute.name.decode("utf-8", "backslashreplace")
            kind = attribute.get_type()
            count = int(attribute.get_space().get_simple_extent_npoints())
            found.append(Attribute(name, type_name(kind), count * int(kind.get_size())))
            if name == wanted:
                label = _text(attribute) if found[-1].is_short_text and attribute.shape == () else ODD
        return tuple(found), label


def _text(attribute: Any) -> str:
    """The text of an attribute that holds a single one."""
    import numpy as np

    value = np.empty((), attribute.dtype)
    attribute.read(value)
    text = value[()]
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def type_name(kind: Any) -> str:
    """The class of an HDF5 type; `variable string` for strings of any length."""
    name = _type_names().get(kind.get_class(), "unknown")
    if name == "opaque":
        return f"opaque {kind.get_size()}-byte"
    return "variable string" if name == "string" and kind.is_variable_str() else name


@cache
def _type_names() -> dict[int, str]:
    from h5py import h5t

    return {
        h5t.INTEGER: "integer",
        h5t.FLOAT: "float",
        h5t.STRING: "string",
        h5t.ENUM: "enum",
        h5t.BITFIELD: "bitfield",
        h5t.OPAQUE: "opaque",
        h5t.COMPOUND: "compound",
        h5t.REFERENCE: "reference",
        h5t.VLEN: "variable length",
        h5t.ARRAY: "array",
        h5t.TIME: "time",
    }


def _read_texts(file: Any, found: Description) -> None:
    """The JSON attributes of the root, if they are single strings."""
    root = next((entry for entry in found.entries if entry.path == "/"), None)
    for attribute in root.attributes if root else ():
        if attribute.name in ("model_config", "training_config") and attribute.type.endswith("string"):
            value = file.attrs[attribute.name]
            if isinstance(value, bytes | str):
                found.texts[attribute.name] = (
                    value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
                )
