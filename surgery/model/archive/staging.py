"""Files beside a target while it is written, and the claim on a target.

Both are held by locks of the kernel: when a run is killed, nothing is held any more. What it left can be told by its name, and
`surgery gc` removes it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from surgery.errors import Busy, RunFailed

_LEFT = re.compile(r"\..+\.(?:[0-9a-f]{8}\.surgery-stage(?:\.keras)?|surgery-claim)")
_LONGEST = 4096


def stage_path(target: Path, suffix: str = "") -> Path:
    """A new name beside a target, which says that a file is being written here."""
    return target.with_name(f".{target.name}.{os.urandom(4).hex()}.surgery-stage{suffix}")


def open_stage(path: Path) -> int:
    """Makes a staged file, locked as long as its descriptor is open."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


@contextmanager
def staged_text(path: Path) -> Iterator[Path]:
    """A name for a text that will take the place of a file; whatever happens, nothing is left under that name."""
    stage = stage_path(path)
    try:
        yield stage
    finally:
        with suppress(OSError):
            stage.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Has the disk keep the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def claimed(output: Path) -> Iterator[None]:
    """Keeps every other run from writing the same output. Makes its folder where there is none, and leaves it if it is used.

    Raises:
        Busy: another run has claimed it.
        RunFailed: nothing can be written there.
    """
    made = [folder for folder in (output.parent, *output.parent.parents) if not folder.exists()]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        claim = output.parent.resolve() / f".{output.name}.surgery-claim"
        descriptor = _claim(claim, output)
    except OSError as error:
        raise RunFailed(
            f"{output} cannot be written: {error.strerror or error}; what was there before is untouched",
            fix="name another place with -o",
        ) from error
    try:
        yield
    finally:
        # Its name goes first: whoever opened it by then sees that it is not the claim any more.
        with suppress(OSError):
            claim.unlink()
        os.close(descriptor)
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


def _claim(claim: Path, output: Path) -> int:
    while True:
        descriptor = os.open(claim, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_there(claim, descriptor):
                holder = {
                    "pid": os.getpid(),
                    "command": " ".join(sys.argv),
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                }
                with suppress(OSError):  # a full disk is found out, and said, when the file itself is written
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, json.dumps(holder).encode()[:_LONGEST], 0)
                return descriptor
            os.close(descriptor)
        except BlockingIOError:
            holder_text = _holder(descriptor)
            os.close(descriptor)
            raise Busy(
                f"another run is writing {output}{holder_text}",
                expected="one run at a time for an output",
                fix="wait for it, or name another output with -o",
            ) from None
        except BaseException:
            os.close(descriptor)
            raise


def _is_there(path: Path, descriptor: int) -> bool:
    """Whether the name still stands for the open file: the run that had it may have removed it a moment ago."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    """Who it is, in words; nothing where that cannot be told."""
    for _ in range(10):
        if os.fstat(descriptor).st_size:
            break
        # It has claimed it and not written its name yet.
        time.sleep(0.02)
    try:
        holder = json.loads(os.pread(descriptor, _LONGEST, 0))
        return f": process {int(holder['pid'])}, '{holder['command']}', since {holder['since']}"
    except (ValueError, KeyError, TypeError, OSError):
        return ""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that a killed run left."""

    path: Path
    size: int


def leftovers(folder: Path, *, remove: bool = False) -> Iterator[Leftover]:
    """Files below a folder that carry our mark and that no running process holds; removes them if told so.

    Links are not followed.
    """
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            path = Path(root, name)
            if _LEFT.fullmatch(name) and (size := _abandoned(path, remove)) is not None:
                yield Leftover(path, size)


def _abandoned(path: Path, remove: bool) -> int | None:
    """The size of a file that nobody has locked. It is removed while it is locked here, so that no run can claim it between."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _is_there(path, descriptor):
            return None
        if remove:
            path.unlink()
        return status.st_size
    except OSError:
        return None
    finally:
        os.close(descriptor)
