"""The members of a `.keras` file, before any of them is read."""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterator

from surgery.model.scan import limits
from surgery.model.scan.archive import CONFIG, KNOWN_MEMBERS, LOCAL, WEIGHTS, Archive, View
from surgery.model.scan.rule import Found, rule
from surgery.model.scan.verdict import Status

FAMILY = "zip"


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
    header = LOCAL.unpack(view.read(member.header_offset, LOCAL.size))
    _, _, flags, method, _, _, _, compressed, size, name_size, _ = header
    name = view.read(member.header_offset + LOCAL.size, name_size)
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
