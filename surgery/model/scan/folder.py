"""A model as a folder: what is in it, without following anything out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from surgery.model.scan import limits
from surgery.model.scan.archive import CONFIG, KNOWN_MEMBERS, METADATA, WEIGHTS
from surgery.model.scan.rule import Found, rule
from surgery.model.scan.verdict import Identity

FAMILY = "folder"


@dataclass(frozen=True, slots=True)
class Item:
    """A file or folder below the model's folder, as `lstat` sees it."""

    path: str
    mode: int
    identity: Identity


@dataclass(frozen=True)
class Folder:
    """What a folder holds. `opened` has a descriptor for each of the files that are read."""

    items: tuple[Item, ...]
    is_cut: bool = False
    opened: dict[str, int] = field(default_factory=dict)

    def holds(self, name: str) -> bool:
        return any(item.path == name and stat.S_ISREG(item.mode) for item in self.items)


def identity_of(status: os.stat_result) -> Identity:
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def list_folder(descriptor: int) -> Folder:
    """Lists a folder and opens its files, by names relative to the descriptor and without following links."""
    items, is_cut = [], False
    for item in _walk(descriptor, "", 0):
        items.append(item)
        if len(items) > limits.MEMBERS:
            is_cut = True
            break
    opened = {
        item.path: os.open(item.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
        for item in items
        if item.path in (CONFIG, METADATA, WEIGHTS) and stat.S_ISREG(item.mode)
    }
    return Folder(tuple(items), is_cut, opened)


def _walk(descriptor: int, prefix: str, depth: int) -> Iterator[Item]:
    with os.scandir(descriptor) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        status = entry.stat(follow_symlinks=False)
        yield Item(prefix + entry.name, status.st_mode, identity_of(status))
        if stat.S_ISDIR(status.st_mode) and depth < limits.FOLDER_DEPTH:
            inner = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            try:
                yield from _walk(inner, f"{prefix}{entry.name}/", depth + 1)
            finally:
                os.close(inner)


@rule("folder-too-many-files", FAMILY)
def too_many_files(folder: Folder) -> Found:
    """The folder holds more than 10,000 files or is nested more than 16 deep; no model is."""
    if folder.is_cut or any(item.path.count("/") >= limits.FOLDER_DEPTH for item in folder.items):
        yield "", "too many files, or nested too deep"


@rule("folder-file-unexpected", FAMILY)
def unexpected_file(folder: Folder) -> Found:
    """A file that no Keras model has: the folder is something else (a SavedModel, an Orbax checkpoint), or carries more than the
    model."""
    for item in folder.items:
        if not KNOWN_MEMBERS.fullmatch(item.path + "/" * stat.S_ISDIR(item.mode)):
            yield item.path, "no Keras model has this file"


@rule("folder-file-missing", FAMILY)
def missing_file(folder: Folder) -> Found:
    """The folder has no `config.json` or no `model.weights.h5`, so it is no Keras model."""
    for name in (CONFIG, WEIGHTS):
        if not folder.holds(name) and not folder.is_cut:
            yield name, "the folder does not have this file"


@rule("folder-link", FAMILY)
def link(folder: Folder) -> Found:
    """A symbolic link, a pipe, a socket or a device inside the folder: reading it would read something else, or never end."""
    for item in folder.items:
        if not stat.S_ISREG(item.mode) and not stat.S_ISDIR(item.mode):
            yield item.path, "a link or a special file"


@rule("folder-name", FAMILY)
def odd_name(folder: Folder) -> Found:
    """A file in the folder whose name has a backslash or is not printable."""
    for item in folder.items:
        if "\\" in item.path or not item.path.isprintable():
            yield item.path, "the name is not printable"
