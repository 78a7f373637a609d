"""The zip archive of a `.keras` file: its members, before any of them is read."""

from __future__ import annotations

import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from surgery.model.scan import limits
from surgery.model.scan.rule import Found, rule
from surgery.model.scan.verdict import Status

FAMILY = "zip"
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
KNOWN_MEMBERS = re.compile(
    r"(config\.json|metadata\.json|model\.weights\.h5|surgery\.json|assets/.*|surgery/.*)", re.DOTALL
)

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s5H3L2H")


@dataclass(frozen=True, slots=True)
class View:
    """A range of an open file, for reading."""

    descriptor: int
    start: int
    size: int

    def read(self, position: int, size: int) -> bytes:
        """Up to `size` bytes; less at the end of the range, nothing outside it."""
        size = min(size, self.size - position) if position >= 0 else 0
        parts = []
        while size > 0:
            part = os.pread(self.descriptor, size, self.start + position)
            if not part:
                break
            parts.append(part)
            position, size = position + len(part), size - len(part)
        return b"".join(parts)


class _Raw:
    """What `zipfile` needs of a file object, over a view."""

    def __init__(self, view: View) -> None:
        self.view, self.position = view, 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.view.size}[whence]
        if base + offset < 0:
            raise OSError("negative seek")
        self.position = base + offset
        return self.position

    def read(self, size: int = -1) -> bytes:
        data = self.view.read(self.position, self.view.size if size < 0 else size)
        self.position += len(data)
        return data


@dataclass(frozen=True, slots=True)
class Directory:
    """The end record: where the central directory lies, how large it says it is, what follows it."""

    start: int
    size: int
    entries: int
    trailing: int


@dataclass(frozen=True)
class Archive:
    """A zip file. `problem` says why its directory could not be read; the members are empty then."""

    view: View

    @cached_property
    def directory(self) -> Directory | None:
        return _directory(self.view)

    @cached_property
    def is_listable(self) -> bool:
        """Whether the directory is small enough to be read."""
        found = self.directory
        return bool(found and found.size <= limits.DIRECTORY_BYTES and found.entries <= limits.MEMBERS)

    @cached_property
    def members(self) -> tuple[zipfile.ZipInfo, ...]:
        return self._listing[0]

    @cached_property
    def problem(self) -> str:
        if self.directory is None:
            return "the zip directory at its end is missing"
        return self._listing[1]

    @cached_property
    def _listing(self) -> tuple[tuple[zipfile.ZipInfo, ...], str]:
        if not self.is_listable:
            return (), ""
        try:
            with zipfile.ZipFile(_Raw(self.view)) as archive:
                return tuple(archive.infolist()), ""
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError) as error:
            return (), f"the zip directory is damaged: {error}"
        except (OSError, ValueError, struct.error, RuntimeError, IndexError, OverflowError) as error:
            return (), f"the zip directory is damaged: {error}"

    def find(self, name: str) -> zipfile.ZipInfo | None:
        return next((member for member in self.members if member.filename == name), None)

    @cached_property
    def extents(self) -> dict[int, tuple[int, int, int] | None]:
        """By position in `members`: where the local header, the data and its end lie; None without a header."""
        return {index: _extent(self.view, member) for index, member in enumerate(self.members)}

    def data_of(self, name: str) -> View | None:
        """The bytes of a member as they are stored."""
        for index, member in enumerate(self.members):
            extent = self.extents[index]
            if member.filename == name and extent:
                return View(self.view.descriptor, self.view.start + extent[1], member.compress_size)
        return None

    def read(self, name: str, limit: int) -> bytes | None:
        """A whole member, inflated, checked by its checksum; None where it is damaged or larger than `limit`."""
        member, stored = self.find(name), self.data_of(name)
        if member is None or stored is None or max(member.file_size, member.compress_size) > limit:
            return None
        data = stored.read(0, stored.size)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            inflater = zlib.decompressobj(-15)
            try:
                data = inflater.decompress(data, limit + 1)
            except zlib.error:
                return None
        whole = len(data) == member.file_size and zlib.crc32(data) == member.CRC
        return data if whole else None


def _directory(view: View) -> Directory | None:
    tail_start = max(0, view.size - 65_557)
    tail = view.read(tail_start, 65_557)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        return None
    _, _, _, _, entries, size, start, comment = _END.unpack_from(tail, at)
    trailing = len(tail) - at - _END.size
    if max(entries, size >> 16, start >> 16) == 0xFFFF:
        large = _directory64(view, tail_start + at)
        if large:
            entries, size, start = large
    return Directory(start, size, entries, max(trailing, comment))


def _directory64(view: View, end: int) -> tuple[int, int, int] | None:
    locator = view.read(end - _END64_LOCATOR.size, _END64_LOCATOR.size) if end >= _END64_LOCATOR.size else b""
    if len(locator) < _END64_LOCATOR.size or not locator.startswith(b"PK\x06\x07"):
        return None
    record = view.read(_END64_LOCATOR.unpack(locator)[2], _END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        return None
    *_, entries, size, start = _END64.unpack(record)
    return entries, size, start


def _extent(view: View, member: zipfile.ZipInfo) -> tuple[int, int, int] | None:
    header = view.read(member.header_offset, _LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        return None
    *_, name_size, extra_size = _LOCAL.unpack(header)
    data = member.header_offset + _LOCAL.size + name_size + extra_size
    end = data + member.compress_size
    return (member.header_offset, data, end) if end <= view.size else None


def _names(archive: Archive) -> Iterator[str]:
    yield from (member.orig_filename for member in archive.members)


@rule("zip-damaged", FAMILY, Status.UNCHECKED)
def damaged(archive: Archive) -> Found:
    """The zip archive is cut off or damaged: its directory, or the header of a member, cannot be read. Download or save the
    model again."""
    if archive.problem:
        yield "", archive.problem
    for index, member in enumerate(archive.members):
        if archive.extents[index] is None:
            yield member.orig_filename, "the member is not where the directory says"


@rule("zip-too-many-members", FAMILY)
def too_many_members(archive: Archive) -> Found:
    """The archive lists far more members than any model has, or a directory of many megabytes."""
    found = archive.directory
    if found and not archive.is_listable:
        yield "", f"the archive lists {found.entries} members in {found.size} bytes of directory"


@rule("zip-name-absolute", FAMILY)
def absolute_name(archive: Archive) -> Found:
    """A member's name begins with `/`: unpacking would write outside the folder."""
    for name in _names(archive):
        if name.startswith("/"):
            yield name, "the member has an absolute path"


@rule("zip-name-parent", FAMILY)
def parent_name(archive: Archive) -> Found:
    """A member's name has a `..` in it: unpacking would write outside the folder."""
    for name in _names(archive):
        if ".." in re.split(r"[/\\]", name):
            yield name, "the member's path leaves the archive"


@rule("zip-name-backslash", FAMILY)
def backslash_name(archive: Archive) -> Found:
    """A member's name has a backslash: some systems read it as a folder separator, others do not."""
    for name in _names(archive):
        if "\\" in name:
            yield name, "the member's name has a backslash"


@rule("zip-name-drive", FAMILY)
def drive_name(archive: Archive) -> Found:
    """A member's name begins with a drive letter (`C:`) or has a colon: on Windows it names another place."""
    for name in _names(archive):
        if ":" in name:
            yield name, "the member's name has a drive or a stream"


@rule("zip-name-characters", FAMILY)
def odd_name(archive: Archive) -> Found:
    """A member's name is empty, longer than 255 characters, has control characters, or ends where a NUL cuts it."""
    for name in _names(archive):
        parts = name.rstrip("/").split("/")
        if not all(0 < len(part) <= limits.NAME_CHARACTERS for part in parts) or not name.isprintable():
            yield name, "the member's name is empty, too long or not printable"


@rule("zip-member-unexpected", FAMILY)
def unexpected_member(archive: Archive) -> Found:
    """A member that no Keras model has. Known are `config.json`, `metadata.json`, `model.weights.h5`, `assets/` and surgery's
    own `surgery/` and `surgery.json`; others (an npz with pickles, a SavedModel) could be read by some loader."""
    for name in _names(archive):
        if not KNOWN_MEMBERS.fullmatch(name):
            yield name, "no Keras model has this member"


@rule("zip-member-missing", FAMILY)
def missing_member(archive: Archive) -> Found:
    """The archive has no `config.json` or no `model.weights.h5`, so it is no Keras model."""
    if archive.problem or not archive.is_listable:
        return
    for name in (CONFIG, WEIGHTS):
        if archive.find(name) is None:
            yield name, "the archive does not have this member"


@rule("zip-duplicate", FAMILY)
def duplicate_member(archive: Archive) -> Found:
    """Two members have the same name, or names that a file system would take for the same: one program reads the first,
    another the second."""
    seen: set[str] = set()
    for name in _names(archive):
        key = unicodedata.normalize("NFC", name).casefold().rstrip("/")
        if key in seen:
            yield name, "two members have this name"
        seen.add(key)


@rule("zip-link", FAMILY)
def link_member(archive: Archive) -> Found:
    """A member is a symbolic link, a device or another special file."""
    for member in archive.members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            yield member.orig_filename, "the member is a link or a special file"


@rule("zip-encrypted", FAMILY)
def encrypted_member(archive: Archive) -> Found:
    """A member is encrypted; its content cannot be scanned."""
    for member in archive.members:
        if member.flag_bits & 0x1:
            yield member.orig_filename, "the member is encrypted"


@rule("zip-compression", FAMILY)
def compression(archive: Archive) -> Found:
    """A member is compressed by a method other than deflate. Keras stores members as they are."""
    for member in archive.members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield member.orig_filename, f"the member is compressed by method {member.compress_type}"


@rule("zip-bomb", FAMILY)
def bomb(archive: Archive) -> Found:
    """A member says that it inflates to more than a hundred times its size, or a stored member that its size is another than
    the bytes it has: a decompression bomb."""
    for member in archive.members:
        grown = member.file_size > limits.RATIO_FLOOR_BYTES + limits.MEMBER_RATIO * member.compress_size
        unequal = member.compress_type == zipfile.ZIP_STORED and member.file_size != member.compress_size
        if grown or unequal:
            yield member.orig_filename, f"{member.compress_size} bytes claim to become {member.file_size}"


@rule("zip-weights-compressed", FAMILY, Status.UNCHECKED)
def compressed_weights(archive: Archive) -> Found:
    """The weights are compressed and too large to be inflated for a scan. Keras stores them uncompressed: load and save the
    model again."""
    member = archive.find(WEIGHTS)
    if member and member.compress_type != zipfile.ZIP_STORED and member.file_size > limits.COMPRESSED_WEIGHTS_BYTES:
        yield WEIGHTS, f"{member.file_size} bytes of weights are compressed"


@rule("zip-overlap", FAMILY)
def overlap(archive: Archive) -> Found:
    """Two members share bytes of the archive, or a member reaches into the directory: the way to make a bomb without a
    suspicious ratio."""
    directory = archive.directory
    extents = sorted((extent, archive.members[i].orig_filename) for i, extent in archive.extents.items() if extent)
    end = 0
    for (start, _, stop), name in extents:
        if start < end or (directory and stop > directory.start + _prefix(archive)):
            yield name, "the member shares bytes with another one"
        end = max(end, stop)


@rule("zip-prefix", FAMILY)
def prefix(archive: Archive) -> Found:
    """The file begins with something that is not the first member: another kind of file with a zip archive behind it."""
    starts = [extent[0] for extent in archive.extents.values() if extent]
    if starts and min(starts) > 0:
        yield "", f"{min(starts)} bytes stand before the first member"


@rule("zip-trailing", FAMILY)
def trailing(archive: Archive) -> Found:
    """The file has a comment or other bytes behind its end record, where a second archive can hide."""
    if archive.directory and archive.directory.trailing:
        yield "", f"{archive.directory.trailing} bytes stand behind the archive"


@rule("zip-header-differs", FAMILY)
def header_differs(archive: Archive) -> Found:
    """The header in front of a member says another name, method or size than the directory: programs would disagree on what
    the archive holds."""
    for index, member in enumerate(archive.members):
        if archive.extents[index] and not _agrees(archive.view, member):
            yield member.orig_filename, "the member's own header contradicts the directory"


def _agrees(view: View, member: zipfile.ZipInfo) -> bool:
    header = _LOCAL.unpack(view.read(member.header_offset, _LOCAL.size))
    _, _, flags, method, _, _, _, compressed, size, name_size, _ = header
    name = view.read(member.header_offset + _LOCAL.size, name_size)
    sizes_follow = flags & 0x8 or 0xFFFFFFFF in (compressed, size)
    return (
        name == member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437", "replace")
        and method == member.compress_type
        and bool(flags & 0x1) == bool(member.flag_bits & 0x1)
        and bool(sizes_follow or (compressed, size) == (member.compress_size, member.file_size))
    )


def _prefix(archive: Archive) -> int:
    """How far zipfile shifts every offset because of bytes before the archive."""
    found = archive.directory
    starts = [extent[0] for extent in archive.extents.values() if extent]
    return min(starts) if found and starts else 0
