"""Describes an HDF5 file without reading its data. Everything here calls libhdf5, so it runs in the killable child alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from surgery.model.scan import limits
from surgery.model.scan.zip import View

SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a group or dataset; `size` in bytes."""

    name: str
    type: str
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the file and what it leads to.

    `kind` is `group`, `dataset`, `type`, `soft`, `external` or `user`; the rest is known of datasets alone. `declared` and
    `stored` are bytes, `offset` where a contiguous dataset lies in the file.
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
    is_virtual: bool = False
    is_external: bool = False
    attributes: tuple[Attribute, ...] = ()

    @property
    def elements(self) -> int:
        count = 1
        for axis in self.shape:
            count *= axis
        return count


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
        with h5py.File(source or _Stream(view), "r") as file:
            for entry in _walk(file.id, found):
                found.entries.append(entry)
            _read_texts(file, found)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, UnicodeError) as error:
        found.problem = f"{type(error).__name__}: {error}"
    return found


def _walk(file: Any, found: Description) -> Iterator[Entry]:
    from h5py import h5g, h5o

    root = h5g.open(file, b"/")
    info = h5o.get_info(root)
    yield Entry("/", "group", info.addr, 1, attributes=_attributes(root))
    seen = {info.addr}
    stack = [("", root, 0)]
    count = 0
    while stack:
        path, group, depth = stack.pop()
        count += group.get_num_objs()
        if count > limits.HDF5_OBJECTS or depth > limits.HDF5_DEPTH:
            found.is_cut = True
            return
        for name in list(group):
            entry, inner = _entry(group, name, f"{path}/{name.decode('utf-8', 'backslashreplace')}")
            yield entry
            if inner is not None and entry.address not in seen:
                stack.append((entry.path, inner, depth + 1))
            seen.add(entry.address)


def _entry(group: Any, name: bytes, path: str) -> tuple[Entry, Any]:
    """What a link leads to, and the group to walk on with. Only hard links are followed."""
    from h5py import h5g, h5l, h5o

    kind = group.links.get_info(name).type
    if kind != h5l.TYPE_HARD:
        names = {h5l.TYPE_SOFT: "soft", h5l.TYPE_EXTERNAL: "external"}
        return Entry(path, names.get(kind, "user")), None
    info = h5o.get_info(group, name)
    if info.type == h5o.TYPE_GROUP:
        inner = h5g.open(group, name)
        return Entry(path, "group", info.addr, info.rc, attributes=_attributes(inner)), inner
    if info.type == h5o.TYPE_DATASET:
        return _dataset(group, name, path, info), None
    return Entry(path, "type", info.addr, info.rc), None


def _dataset(group: Any, name: bytes, path: str, info: Any) -> Entry:
    from h5py import h5d

    dataset = h5d.open(group, name)
    plist = dataset.get_create_plist()
    layout = plist.get_layout()
    external = layout != h5d.CHUNKED and layout != h5d.VIRTUAL and plist.get_external_count() > 0
    if layout == h5d.VIRTUAL or external:
        return Entry(path, "dataset", info.addr, info.rc, is_virtual=not external, is_external=external)
    shape = dataset.get_space().get_simple_extent_dims() or ()
    kind = dataset.get_type()
    entry = Entry(
        path,
        "dataset",
        info.addr,
        info.rc,
        type=_type_name(kind),
        shape=tuple(int(axis) for axis in shape),
        stored=int(dataset.get_storage_size()),
        offset=dataset.get_offset() if layout == h5d.CONTIGUOUS else None,
        filters=tuple(plist.get_filter(i)[0] for i in range(plist.get_nfilters())) if layout == h5d.CHUNKED else (),
        attributes=_attributes(dataset),
    )
    return _declared(entry, kind.get_size())


def _declared(entry: Entry, item_bytes: int) -> Entry:
    from dataclasses import replace

    return replace(entry, declared=entry.elements * item_bytes)


def _attributes(item: Any) -> tuple[Attribute, ...]:
    from h5py import h5a

    count = h5a.get_num_attrs(item)
    found = []
    for index in range(min(count, limits.HDF5_ATTRIBUTES + 1)):
        attribute = h5a.open(item, index=index)
        name = attribute.name.decode("utf-8", "backslashreplace")
        kind = attribute.get_type()
        size = int(attribute.get_space().get_simple_extent_npoints()) * int(kind.get_size())
        found.append(Attribute(name, _type_name(kind), size))
    return tuple(found)


def _type_name(kind: Any) -> str:
    """The class of an HDF5 type; `variable string` for strings of any length."""
    from h5py import h5t

    names = {
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
    name = names.get(kind.get_class(), "unknown")
    if name == "opaque":
        return f"opaque {kind.get_size()}-byte"
    return "variable string" if name == "string" and kind.is_variable_str() else name


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
