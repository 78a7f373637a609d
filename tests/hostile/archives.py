"""Zip archives, folders and files that are hostile before anything in them is read."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import socket
import stat
import struct
import zipfile
from pathlib import Path

from tests.hostile.model import (
    Table,
    canary,
    functional,
    hostile,
    members,
    weights,
    write_folder,
    write_hdf5,
    write_model,
    write_zip,
)

ARCHIVES: Table = {}


def named(label: str, name: str, code: str) -> None:
    """An archive with one more member of that name."""
    hostile(ARCHIVES, code, f"zip_{label}")(
        lambda folder: write_zip(folder / "model.keras", {**members(), name: b"canary"})
    )


named("absolute", "/tmp/canary", "zip-name-absolute")
named("parent", "assets/../../canary", "zip-name-parent")
named("parent_first", "../canary", "zip-name-parent")
named("parent_by_backslash", "assets\\..\\..\\canary", "zip-name-parent")
named("backslash", "assets\\canary", "zip-name-backslash")
named("drive", "C:canary", "zip-name-drive")
named("drive_and_slash", "assets/c:/canary", "zip-name-drive")
named("stream", "config.json:hidden", "zip-name-drive")
named("control", "assets/a\nb", "zip-name-characters")
named("bidi", "assets/a\u202etxt", "zip-name-characters")
named("long_name", "assets/" + "x" * 300, "zip-name-characters")
named("empty_part", "assets//a", "zip-name-characters")
named("pickled_weights", "model.weights.npz", "zip-member-unexpected")
named("saved_model", "saved_model.pb", "zip-member-unexpected")
named("python", "surgery.py", "zip-member-unexpected")
named("same_name_other_case", "Config.json", "zip-duplicate")
named("same_name_other_form", "assets/e\u0301", "zip-name-characters")
del ARCHIVES["zip_same_name_other_form"]


def rewritten(folder: Path, change: bytes, by: bytes, config: bytes | None = None) -> Path:
    path = write_model(folder, config)
    data = path.read_bytes()
    assert change in data
    path.write_bytes(data.replace(change, by))
    return path


@hostile(ARCHIVES, "zip-duplicate")
def zip_duplicate(folder: Path) -> Path:
    path = write_model(folder)
    lines = io.StringIO()
    with zipfile.ZipFile(path, "a") as archive:
        archive.filelist, before = [], archive.filelist
        archive.NameToInfo = {}
        archive.writestr("config.json", json.dumps(functional(name="second")))
        archive.filelist = before + archive.filelist
    assert not lines.getvalue()
    return path


@hostile(ARCHIVES, "zip-duplicate")
def zip_duplicate_by_normal_form(folder: Path) -> Path:
    return write_zip(folder / "model.keras", {**members(), "assets/\u00e9": b"1", "assets/e\u0301": b"2"})


@hostile(ARCHIVES, "zip-name-characters")
def zip_name_cut_by_nul(folder: Path) -> Path:
    path = write_zip(folder / "model.keras", {**members(), "assets/aXb": b"canary"})
    path.write_bytes(path.read_bytes().replace(b"assets/aXb", b"assets/a\0b"))
    return path


def _with_mode(folder: Path, mode: int) -> Path:
    path = write_model(folder)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("assets/link")
        info.external_attr = (mode | 0o777) << 16
        archive.writestr(info, "/etc/hostname")
    return path


@hostile(ARCHIVES, "zip-link")
def zip_symbolic_link(folder: Path) -> Path:
    return _with_mode(folder, stat.S_IFLNK)


@hostile(ARCHIVES, "zip-link")
def zip_device(folder: Path) -> Path:
    return _with_mode(folder, stat.S_IFCHR)


@hostile(ARCHIVES, "zip-encrypted")
def zip_encrypted(folder: Path) -> Path:
    path = write_model(folder)
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        data[at + flags] |= 1
    path.write_bytes(data)
    return path


@hostile(ARCHIVES, "zip-compression")
def zip_bzip2(folder: Path) -> Path:
    return write_zip(folder / "model.keras", members(), zipfile.ZIP_BZIP2)


@hostile(ARCHIVES, "zip-compression")
def zip_lzma(folder: Path) -> Path:
    return write_zip(folder / "model.keras", members(), zipfile.ZIP_LZMA)


@hostile(ARCHIVES, "zip-bomb")
def zip_bomb(folder: Path) -> Path:
    content = {**members(), "assets/zeros": bytes(20 << 20)}
    return write_zip(folder / "model.keras", content, zipfile.ZIP_DEFLATED)


@hostile(ARCHIVES, "zip-bomb")
def zip_bomb_as_config(folder: Path) -> Path:
    return write_zip(folder / "model.keras", members(b" " * (12 << 20) + b"{}"), zipfile.ZIP_DEFLATED)


@hostile(ARCHIVES, "zip-bomb")
def zip_stored_with_other_size(folder: Path) -> Path:
    path = write_model(folder)
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    struct.pack_into("<L", data, at + 24, 0x7FFFFFFF)
    path.write_bytes(data)
    return path


@hostile(ARCHIVES, "zip-weights-compressed")
def zip_large_compressed_weights(folder: Path) -> Path:
    noise = random.Random(0).randbytes(1 << 20)
    return write_zip(folder / "model.keras", members(stored=noise * 50), zipfile.ZIP_DEFLATED)


@hostile(ARCHIVES, "zip-overlap")
def zip_overlap(folder: Path) -> Path:
    """Two names in the directory for one member: what a bomb without a suspicious ratio is made of."""
    path = write_zip(folder / "model.keras", {**members(), "assets/a": b"canary"})
    data = path.read_bytes()
    at = data.rfind(b"PK\x01\x02")
    end = data.rfind(b"PK\x05\x06")
    entry = data[at:end].replace(b"assets/a", b"assets/b")
    _, _, _, _, count, size, start, _ = struct.unpack_from("<4s4H2LH", data, end)
    record = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count + 1, count + 1, size + len(entry), start, 0)
    path.write_bytes(data[:end] + entry + record)
    return path


@hostile(ARCHIVES, "zip-prefix")
def zip_behind_another_file(folder: Path) -> Path:
    path = write_model(folder)
    path.write_bytes(b"PK##" + b"#!/bin/sh\nexit 0\n" + path.read_bytes())
    return path


@hostile(ARCHIVES, "zip-trailing")
def zip_comment(folder: Path) -> Path:
    path = write_model(folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"canary"
    return path


@hostile(ARCHIVES, "zip-trailing")
def zip_trailing_bytes(folder: Path) -> Path:
    path = write_model(folder)
    path.write_bytes(path.read_bytes() + b"canary")
    return path


@hostile(ARCHIVES, "zip-header-differs")
def zip_other_name_in_header(folder: Path) -> Path:
    path = write_model(folder)
    path.write_bytes(path.read_bytes().replace(b"metadata.json", b"metadatX.json", 1))
    return path


@hostile(ARCHIVES, "zip-header-differs")
def zip_other_size_in_header(folder: Path) -> Path:
    path = write_model(folder)
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.find(b"PK\x03\x04") + 18, 3)
    path.write_bytes(data)
    return path


@hostile(ARCHIVES, "zip-too-many-members")
def zip_many_members(folder: Path) -> Path:
    return write_zip(folder / "model.keras", members() | {f"assets/{i}": b"" for i in range(10_001)})


@hostile(ARCHIVES, "zip-too-many-members")
def zip_large_directory(folder: Path) -> Path:
    path = write_model(folder)
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.rfind(b"PK\x05\x06") + 12, 1 << 30)
    path.write_bytes(data)
    return path


@hostile(ARCHIVES, "zip-member-missing")
def zip_without_config(folder: Path) -> Path:
    content = members()
    del content["config.json"]
    return write_zip(folder / "model.keras", content)


@hostile(ARCHIVES, "zip-damaged")
def zip_cut_off(folder: Path) -> Path:
    path = write_model(folder)
    path.write_bytes(path.read_bytes()[:-60])
    return path


@hostile(ARCHIVES, "zip-damaged")
def zip_half(folder: Path) -> Path:
    path = write_model(folder)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


@hostile(ARCHIVES, "zip-damaged")
def zip_member_outside_the_file(folder: Path) -> Path:
    path = write_model(folder)
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.find(b"PK\x01\x02") + 42, 0x7FFFFFF0)
    path.write_bytes(data)
    return path


@hostile(ARCHIVES, "json-invalid")
def zip_bit_flipped_config(folder: Path) -> Path:
    return rewritten(folder, b'"units": 4', b'"units": 5')


@hostile(ARCHIVES, "hdf5-damaged")
def zip_bit_flipped_weights(folder: Path) -> Path:
    return rewritten(folder, b"TREE", b"TRE3")


@hostile(ARCHIVES, "hdf5-signature")
def zip_weights_are_a_pickle(folder: Path) -> Path:
    return write_model(folder, stored=b"\x80\x04K\x00." + weights())


@hostile(ARCHIVES, "hdf5-damaged")
def zip_empty_compressed_weights(folder: Path) -> Path:
    return write_zip(folder / "model.keras", members(stored=weights()[:100]), zipfile.ZIP_DEFLATED)


# Files


@hostile(ARCHIVES, "file-special")
def file_pipe(folder: Path) -> Path:
    return canary(folder)


@hostile(ARCHIVES, "file-special")
def file_pipe_by_link(folder: Path) -> Path:
    path = folder / "model.keras"
    path.symlink_to(canary(folder))
    return path


@hostile(ARCHIVES, "file-special")
def file_device(folder: Path) -> Path:
    path = folder / "model.keras"
    path.symlink_to("/dev/zero")
    return path


@hostile(ARCHIVES, "file-special")
def file_socket(folder: Path) -> Path:
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))
    return path


@hostile(ARCHIVES, "file-not-a-model")
def file_empty(folder: Path) -> Path:
    (folder / "model.keras").touch()
    return folder / "model.keras"


@hostile(ARCHIVES, "file-not-a-model")
def file_pickle(folder: Path) -> Path:
    (folder / "model.keras").write_bytes(b"\x80\x04K\x00.")
    return folder / "model.keras"


@hostile(ARCHIVES, "file-extension")
def file_hdf5_named_keras(folder: Path) -> Path:
    return write_hdf5(folder, functional()).rename(folder / "model.keras")


@hostile(ARCHIVES, "file-extension")
def file_zip_named_h5(folder: Path) -> Path:
    return write_model(folder).rename(folder / "model.h5")


# Folders


@hostile(ARCHIVES, "folder-file-unexpected")
def folder_saved_model(folder: Path) -> Path:
    path = write_folder(folder)
    (path / "saved_model.pb").write_bytes(b"canary")
    return path


@hostile(ARCHIVES, "folder-file-unexpected")
def folder_orbax(folder: Path) -> Path:
    """Keras takes a folder with such files for an Orbax checkpoint, whatever else is in it."""
    path = write_folder(folder)
    (path / "_CHECKPOINT_METADATA").write_text("{}")
    return path


@hostile(ARCHIVES, "folder-file-missing")
def folder_any(folder: Path) -> Path:
    (folder / "any").mkdir()
    return folder / "any"


@hostile(ARCHIVES, "folder-link")
def folder_linked_config(folder: Path) -> Path:
    path = write_folder(folder)
    shutil.move(path / "config.json", folder / "elsewhere.json")
    (path / "config.json").symlink_to(folder / "elsewhere.json")
    return path


@hostile(ARCHIVES, "folder-link")
def folder_linked_assets(folder: Path) -> Path:
    path = write_folder(folder)
    (path / "assets").symlink_to("/etc")
    return path


@hostile(ARCHIVES, "folder-link")
def folder_pipe_as_weights(folder: Path) -> Path:
    path = write_folder(folder)
    (path / "model.weights.h5").unlink()
    os.mkfifo(path / "model.weights.h5")
    return path


@hostile(ARCHIVES, "folder-name")
def folder_odd_name(folder: Path) -> Path:
    path = write_folder(folder)
    (path / "assets").mkdir()
    (path / "assets" / "a\nb").touch()
    return path


@hostile(ARCHIVES, "folder-too-many-files")
def folder_deep(folder: Path) -> Path:
    path = write_folder(folder)
    (path / "assets" / "/".join("d" * 20)).mkdir(parents=True)
    return path
