"""Opening a recipe: a regular file, nothing that could block or never end. Writing one: all of it or nothing."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from surgery.errors import FileMissing, FileUnreadable, Location, OutputRefused, SurgeryError, of_the_disk
from surgery.model.archive.staging import staged_text
from surgery.model.nearest import did_you_mean
from surgery.recipe.characters import LARGEST_FILE

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_bytes(path: Path) -> bytes:
    """The content of a recipe, and one byte more than the largest recipe has.

    Raises:
        FileMissing: when there is no such file.
        FileUnreadable: when it is not a regular file, or may not be read.
    """
    try:
        _require_regular(path, path.stat().st_mode)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            _require_regular(path, os.fstat(descriptor).st_mode)
            return file.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise FileMissing(
            f"there is no file {path}", expected="a recipe", fix=nearest_file(path), location=Location(str(path))
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name is not possible"
        raise FileUnreadable(f"cannot be read: {reason}", expected="a recipe", location=Location(str(path))) from None


def nearest_file(path: Path) -> str | None:
    """The file of the same folder that was probably meant, as a fix to print."""
    try:
        names = [entry.name for entry in os.scandir(path.parent)]
    except (OSError, ValueError):
        return None
    return did_you_mean(path.name, names) if len(names) <= 1000 else None


def _require_regular(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kind = next((words for is_kind, words in _KINDS if is_kind(mode)), "not a regular file")
    raise FileUnreadable(
        f"{path.name or path} is {kind}", expected="a recipe, a YAML file", location=Location(str(path))
    )


def replace_file(path: Path, data: bytes) -> None:
    """Puts new bytes in the place of a file, all or none; its permissions stay, and a link to it stays a link.

    What is no file, as `/dev/stdout`, stays what it is and takes the bytes.

    Raises:
        FileUnreadable: when it cannot be written.
        RunFailed: when the disk is full or read-only.
    """
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            return _write_into(target, data)
        with staged_text(target) as staged:
            _write_new(staged, data)
            if target.exists():
                staged.chmod(stat.S_IMODE(target.stat().st_mode))
            staged.replace(target)
    except OSError as error:
        raise unwritable(path, error) from None


def create_file(path: Path, data: bytes) -> None:
    """Writes a file that is not there yet, all of it or nothing.

    Raises:
        OutputRefused: when there is one.
        FileUnreadable: when it cannot be written.
        RunFailed: when the disk is full or read-only.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            return _write_into(path, data)
        _write_new(path, data)
    except FileExistsError:
        raise OutputRefused(
            f"{path} exists already",
            expected="a name that is free",
            fix="name another file with -o, or remove this one",
        ) from None
    except OSError as error:
        raise unwritable(path, error) from None


def append_to(path: Path, data: bytes) -> None:
    """Puts bytes behind those of a file, all or none.

    Raises:
        FileUnreadable: when it cannot be written.
        RunFailed: when the disk is full or read-only.
    """
    is_new = not path.exists()
    try:
        with path.open("ab", buffering=0) as file:
            before = os.fstat(file.fileno())
            try:
                _write_all(file.fileno(), data)
            except BaseException:
                if stat.S_ISREG(before.st_mode):
                    os.ftruncate(file.fileno(), before.st_size)
                raise
    except OSError as error:
        if is_new:
            path.unlink(missing_ok=True)
        raise unwritable(path, error) from None


def _write_into(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _write_all(descriptor, data)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _write_new(path: Path, data: bytes) -> None:
    """Makes a file; what is not whole goes again."""
    file = path.open("xb")
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def unwritable(path: Path, error: OSError) -> SurgeryError:
    """What to say where something cannot be written."""
    return of_the_disk(error, path) or FileUnreadable(
        f"{path} cannot be written: {error.strerror}", expected="a place that can be written to"
    )
