"""HDF5 files that lead elsewhere, hold more than they say, or keep libhdf5 busy."""

from __future__ import annotations

import io
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.hostile.model import Table, canary, functional, hostile, weights, write_hdf5, write_model

WEIGHTS: Table = {}
PLACE = "layers/dense/vars"


def spoiled(folder: Path, spoil: Any, libver: str | None = None) -> Path:
    return write_model(folder, stored=weights(spoil, libver))


@hostile(WEIGHTS, "hdf5-soft-link")
def soft_link(folder: Path) -> Path:
    return spoiled(folder, lambda file: file[PLACE].__setitem__("2", h5py.SoftLink(f"/{PLACE}/0")))


@hostile(WEIGHTS, "hdf5-soft-link")
def soft_link_to_itself(folder: Path) -> Path:
    return spoiled(folder, lambda file: file[PLACE].__setitem__("2", h5py.SoftLink(f"/{PLACE}/2")))


@hostile(WEIGHTS, "hdf5-soft-link")
def soft_link_in_hdf5(folder: Path) -> Path:
    return write_hdf5(folder, functional(), lambda file: file.__setitem__("x", h5py.SoftLink("/layers")))


@hostile(WEIGHTS, "hdf5-external-link")
def external_link(folder: Path) -> Path:
    target = str(canary(folder))
    return spoiled(folder, lambda file: file[PLACE].__setitem__("2", h5py.ExternalLink(target, "/x")))


@hostile(WEIGHTS, "hdf5-external-link")
def external_link_in_hdf5(folder: Path) -> Path:
    target = str(canary(folder))
    return write_hdf5(folder, functional(), lambda file: file.__setitem__("x", h5py.ExternalLink(target, "/x")))


@hostile(WEIGHTS, "hdf5-external-link")
def external_link_relative(folder: Path) -> Path:
    return spoiled(folder, lambda file: file.__setitem__("x", h5py.ExternalLink("../../other.h5", "/")))


@hostile(WEIGHTS, "hdf5-user-link")
def user_link(folder: Path) -> Path:
    """An external link with the number of its kind changed: 64 is external, 65 and more are for programs."""
    plain = weights(lambda file: file.__setitem__("x", h5py.ExternalLink("nowhere.h5", "/")), "latest")
    at = plain.find(b"nowhere.h5")
    head = plain.rfind(bytes([64]), 0, at)
    return write_model(folder, stored=_with_checksum(plain, head, 65))


def _with_checksum(data: bytes, at: int, byte: int) -> bytes:
    """Changes a byte of an object header and repairs its checksum, by trying what libhdf5 computes."""
    changed = bytearray(data)
    changed[at] = byte
    start = changed.rfind(b"OHDR", 0, at)
    for end in range(at, len(changed) - 4):
        if _lookup3(bytes(data[start:end])) == int.from_bytes(data[end : end + 4], "little"):
            changed[end : end + 4] = _lookup3(bytes(changed[start:end])).to_bytes(4, "little")
            return bytes(changed)
    raise AssertionError("no checksum found")


def _lookup3(key: bytes) -> int:
    """Bob Jenkins' lookup3, which HDF5 uses for its metadata."""
    mask = 0xFFFFFFFF

    def rot(x: int, k: int) -> int:
        return ((x << k) | (x >> (32 - k))) & mask

    a = b = c = (0xDEADBEEF + len(key)) & mask
    while len(key) > 12:
        x, y, z = (int.from_bytes(key[i : i + 4], "little") for i in (0, 4, 8))
        a, b, c, key = (a + x) & mask, (b + y) & mask, (c + z) & mask, key[12:]
        a = ((a - c) & mask) ^ rot(c, 4)
        c = (c + b) & mask
        b = ((b - a) & mask) ^ rot(a, 6)
        a = (a + c) & mask
        c = ((c - b) & mask) ^ rot(b, 8)
        b = (b + a) & mask
        a = ((a - c) & mask) ^ rot(c, 16)
        c = (c + b) & mask
        b = ((b - a) & mask) ^ rot(a, 19)
        a = (a + c) & mask
        c = ((c - b) & mask) ^ rot(b, 4)
        b = (b + a) & mask
    if not key:
        return c
    key = key.ljust(12, b"\0")
    x, y, z = (int.from_bytes(key[i : i + 4], "little") for i in (0, 4, 8))
    a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
    for p, q, k in ("cb", "ac", "ba", "cb", "ac", "ba", "cb") and (
        ("c", "b", 14), ("a", "c", 11), ("b", "a", 25), ("c", "b", 16), ("a", "c", 4), ("b", "a", 14), ("c", "b", 24)):  # fmt: skip
        values = {"a": a, "b": b, "c": c}
        values[p] = ((values[p] ^ values[q]) - rot(values[q], k)) & mask
        a, b, c = values["a"], values["b"], values["c"]
    return c


@hostile(WEIGHTS, "hdf5-external-storage")
def external_storage(folder: Path) -> Path:
    """CVE-2026-1669: the values of a bias are the bytes of a file of the victim."""
    target = str(canary(folder))

    def spoil(file: h5py.File) -> None:
        file[PLACE].create_dataset("2", (16,), "u1", external=[(target, 0, 16)])

    return spoiled(folder, spoil)


@hostile(WEIGHTS, "hdf5-external-storage")
def external_storage_in_hdf5(folder: Path) -> Path:
    target = str(canary(folder))
    return write_hdf5(
        folder, functional(), lambda file: file.create_dataset("x", (4,), "f4", external=[(target, 0, 16)])
    )


def _virtual(source: str, unlimited: bool = False) -> Any:
    def spoil(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((4,), "f4", maxshape=(None,) if unlimited else None)
        layout[:] = h5py.VirtualSource(source, "x", (4,), maxshape=(None,) if unlimited else None)[:]
        file[PLACE].create_virtual_dataset("2", layout)

    return spoil


@hostile(WEIGHTS, "hdf5-virtual")
def virtual_dataset(folder: Path) -> Path:
    return spoiled(folder, _virtual(str(canary(folder))), "latest")


@hostile(WEIGHTS, "hdf5-virtual")
def virtual_dataset_of_itself(folder: Path) -> Path:
    return spoiled(folder, _virtual("."), "latest")


@hostile(WEIGHTS, "hdf5-virtual")
def virtual_dataset_unlimited(folder: Path) -> Path:
    """Asking such a dataset for its shape alone opens the other file."""
    target = str(canary(folder))

    def spoil(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((4,), "f4", maxshape=(None,))
        source = h5py.VirtualSource(target, "x", (4,), maxshape=(None,))
        layout[0 : h5py.h5s.UNLIMITED] = source[0 : h5py.h5s.UNLIMITED]
        file[PLACE].create_virtual_dataset("2", layout)

    return spoiled(folder, spoil, "latest")


@hostile(WEIGHTS, "hdf5-filter")
def filter_lzf(folder: Path) -> Path:
    return spoiled(
        folder, lambda file: file[PLACE].create_dataset("2", data=np.arange(64.0), chunks=(8,), compression="lzf")
    )


@hostile(WEIGHTS, "hdf5-filter")
def filter_scale_offset(folder: Path) -> Path:
    return spoiled(folder, lambda file: file[PLACE].create_dataset("2", data=np.arange(64), chunks=(8,), scaleoffset=0))


@hostile(WEIGHTS, "hdf5-filter")
def filter_plugin(folder: Path) -> Path:
    """A filter that only a library from disk could undo."""

    def spoil(file: h5py.File) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((8,))
        plist.set_filter(32_001, h5py.h5z.FLAG_OPTIONAL, (1,))
        h5py.h5d.create(file[PLACE].id, b"2", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((64,)), plist)

    return spoiled(folder, spoil)


def of_type(name: str, kind: Any, shape: tuple[int, ...] = (2,)) -> None:
    def spoil(file: h5py.File) -> None:
        file[PLACE].create_dataset("2", shape, kind)

    hostile(WEIGHTS, "hdf5-type", name)(lambda folder: spoiled(folder, spoil))


of_type("type_reference", h5py.ref_dtype)
of_type("type_region_reference", h5py.regionref_dtype)
of_type("type_variable_length", h5py.vlen_dtype(np.dtype("f4")))
of_type("type_variable_string", h5py.string_dtype())
of_type("type_string", np.dtype("S8"))
of_type("type_compound", np.dtype([("a", "f4"), ("b", "f4")]))
of_type("type_opaque", np.dtype("V8"))
of_type("type_array", np.dtype(("f4", (4,))))


@hostile(WEIGHTS, "hdf5-named-type")
def named_type(folder: Path) -> Path:
    return spoiled(folder, lambda file: file.__setitem__("type", np.dtype("f4")))


@hostile(WEIGHTS, "hdf5-alias")
def alias_dataset(folder: Path) -> Path:
    return spoiled(folder, lambda file: file[PLACE].__setitem__("2", file[f"{PLACE}/0"]))


@hostile(WEIGHTS, "hdf5-alias")
def alias_cycle(folder: Path) -> Path:
    return spoiled(folder, lambda file: file[PLACE].__setitem__("again", file["layers"]))


@hostile(WEIGHTS, "hdf5-alias")
def alias_root(folder: Path) -> Path:
    return spoiled(folder, lambda file: file["layers"].__setitem__("root", file["/"]))


@hostile(WEIGHTS, "hdf5-bomb")
def bomb_compressed(folder: Path) -> Path:
    """CVE-2026-0897: zeros that compress a thousand times."""

    def spoil(file: h5py.File) -> None:
        file[PLACE].create_dataset("2", data=np.zeros(4 << 20, "f4"), chunks=(1 << 20,), compression="gzip")

    return spoiled(folder, spoil)


@hostile(WEIGHTS, "hdf5-bomb")
def bomb_by_fill_value(folder: Path) -> Path:
    return spoiled(folder, lambda file: file[PLACE].create_dataset("2", (1 << 20, 1 << 20), "f4", chunks=(64, 64)))


@hostile(WEIGHTS, "hdf5-bomb")
def bomb_never_written(folder: Path) -> Path:
    return spoiled(folder, lambda file: file[PLACE].create_dataset("2", (1 << 40,), "f4"))


@hostile(WEIGHTS, "hdf5-bomb")
def bomb_in_hdf5(folder: Path) -> Path:
    return write_hdf5(folder, functional(), lambda file: file.create_dataset("x", (1 << 40,), "f4"))


@cache
def deflated(count: int) -> bytes:
    """So many MiB of zeros, a thousandth of it."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(count)) + packer.flush()


def chunked(data: bytes, chunk: tuple[int, int], times: int = 1, shape: tuple[int, int] = (4, 4)) -> Any:
    """The kernel of the first layer as one chunk that is in the file as it is given here."""

    def spoil(file: h5py.File) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(chunk)
        for _ in range(times):
            plist.set_deflate(9)
        del file[f"{PLACE}/0"]
        space = h5py.h5s.create_simple(shape, (h5py.h5s.UNLIMITED, h5py.h5s.UNLIMITED))
        dataset = h5py.h5d.create(file[PLACE].id, b"0", h5py.h5t.IEEE_F32LE, space, plist)
        dataset.write_direct_chunk((0, 0), data, 0)
        for place in ("dense", "dense_1"):
            del file[f"layers/{place}/vars"].attrs["name"]

    return spoil


@hostile(WEIGHTS, "hdf5-filter-twice")
def filter_deflate_of_deflate(folder: Path) -> Path:
    """Half a gigabyte in ten kilobytes: each deflate makes a thousandth of what it gets."""
    return spoiled(folder, chunked(zlib.compress(deflated(512), 9), (1 << 13, 1 << 14), times=2))


@hostile(WEIGHTS, "hdf5-chunk")
def chunk_larger_than_its_dataset(folder: Path) -> Path:
    return spoiled(folder, chunked(deflated(512), (1 << 13, 1 << 14)))


@hostile(WEIGHTS, "hdf5-chunk")
def chunk_larger_than_what_is_stored(folder: Path) -> Path:
    return spoiled(folder, chunked(deflated(320)[:-1] + bytes(1), (1 << 13, 10240), shape=(1 << 10, 10240)))


@hostile(WEIGHTS, "hdf5-chunk")
def chunks_that_are_crumbs(folder: Path) -> Path:
    return spoiled(folder, chunked(bytes(4), (1, 1), times=0, shape=(400, 400)))


@hostile(WEIGHTS, "hdf5-incomplete")
def incomplete_dataset(folder: Path) -> Path:
    return spoiled(folder, lambda file: file[PLACE].create_dataset("2", (100,), "f4"))


@hostile(WEIGHTS, "hdf5-overlap")
def overlapping_datasets(folder: Path) -> Path:
    """Two datasets whose headers point at the same bytes."""
    plain = bytearray(
        weights(lambda file: file.create_dataset("x", data=np.arange(16.0).astype("f4").reshape(4, 4) + 7))
    )
    with h5py.File(io.BytesIO(bytes(plain)), "r") as file:
        first, second = file[f"{PLACE}/0"].id.get_offset(), file["x"].id.get_offset()
    old, new = second.to_bytes(8, "little"), first.to_bytes(8, "little")
    assert plain.count(old) == 1
    return write_model(folder, stored=bytes(plain).replace(old, new))


@hostile(WEIGHTS, "hdf5-name")
def name_with_control(folder: Path) -> Path:
    return spoiled(folder, lambda file: file.create_group("layers/a\x1b[2J"))


@hostile(WEIGHTS, "hdf5-name")
def name_too_long(folder: Path) -> Path:
    return spoiled(folder, lambda file: file.create_group("layers/" + "x" * 300))


@hostile(WEIGHTS, "hdf5-name")
def name_parent(folder: Path) -> Path:
    return spoiled(folder, lambda file: file.create_group("layers/.."))


@hostile(WEIGHTS, "hdf5-attribute")
def attribute_reference(folder: Path) -> Path:
    return spoiled(folder, lambda file: file.attrs.__setitem__("x", file["layers"].ref))


@hostile(WEIGHTS, "hdf5-attribute")
def attribute_compound(folder: Path) -> Path:
    return spoiled(folder, lambda file: file.attrs.__setitem__("x", np.zeros(2, np.dtype([("a", "f4"), ("b", "f4")]))))


@hostile(WEIGHTS, "hdf5-attribute")
def attribute_many(folder: Path) -> Path:
    def spoil(file: h5py.File) -> None:
        for index in range(1001):
            file.attrs[str(index)] = 0

    return spoiled(folder, spoil)


@hostile(WEIGHTS, "hdf5-attribute")
def attribute_large(folder: Path) -> Path:
    return spoiled(folder, lambda file: file.attrs.__setitem__("x", np.zeros(5 << 20, "u1")), "latest")


@hostile(WEIGHTS, "hdf5-too-many-objects")
def nested_groups(folder: Path) -> Path:
    return spoiled(folder, lambda file: file.create_group("/".join("g" * 100)))


@hostile(WEIGHTS, "hdf5-damaged")
def cut_off(folder: Path) -> Path:
    data = weights()
    return write_model(folder, stored=data[: len(data) // 2])


@hostile(WEIGHTS, "hdf5-damaged")
def cut_off_hdf5(folder: Path) -> Path:
    path = write_hdf5(folder, functional())
    path.write_bytes(path.read_bytes()[:-500])
    return path


@hostile(WEIGHTS, "scan-timeout")
def cycle_in_the_tree(folder: Path) -> Path:
    """A B-tree node whose sibling is itself: libhdf5 walks it for ever, and no signal handler gets a turn."""
    data = bytearray(weights())
    at = data.find(b"TREE")
    data[at + 8 : at + 16] = at.to_bytes(8, "little")
    data[at + 16 : at + 24] = at.to_bytes(8, "little")
    return write_model(folder, stored=bytes(data))
