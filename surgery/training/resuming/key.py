"""The key of this user. What a run keeps for later ones is sealed with it, and only what is sealed with it is believed.

A checkout brings files that belong to the user who made it, so an owner says nothing about who wrote them. The key lies outside
of every checkout and every model, and is readable for its owner alone.
"""

from __future__ import annotations

import hmac
import os
import stat
from contextlib import suppress
from pathlib import Path

SIZE = 32


class KeyUnusable(OSError):
    """There is no key that only this user can know. The text says why."""


def key_path() -> Path:
    """`$XDG_STATE_HOME/surgery/key`, below `~/.local/state` where that is not set.

    Raises:
        KeyUnusable: Nobody knows where the user is at home.
    """
    return _state_home() / "surgery" / "key"


def require_key() -> None:
    """Makes the key where there is none.

    Raises:
        KeyUnusable: It cannot be made, or others could know or change it.
    """
    _key()


def seal(purpose: str, content: bytes) -> str:
    """What only somebody with the key can say about a content.

    Args:
        purpose: What the content is for, so that it cannot be given out for something else.
        content: What is sealed.

    Raises:
        KeyUnusable: There is no key.
    """
    return hmac.new(_key(), purpose.encode() + b"\0" + content, "sha256").hexdigest()


def is_sealed(claimed: object, purpose: str, content: bytes) -> bool:
    """Whether a seal is the one of this user for a content."""
    try:
        return isinstance(claimed, str) and hmac.compare_digest(claimed.encode(), seal(purpose, content).encode())
    except (KeyUnusable, UnicodeEncodeError):
        return False


def _state_home() -> Path:
    asked = Path(os.environ.get("XDG_STATE_HOME", ""))
    # A relative path would lead into whatever checkout the command runs in; XDG has it ignored.
    if asked.is_absolute():
        return asked
    try:
        return Path.home() / ".local" / "state"
    except RuntimeError:
        raise KeyUnusable("there is no home folder for a key; set XDG_STATE_HOME") from None


def _key() -> bytes:
    path = key_path()
    try:
        if not path.exists():
            _make(path)
        _require_own(path.parent, path.parent.stat(), 0o022, "write in")
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _require_own(path, status, 0o077, "read or write")
            found = file.read(SIZE + 1) if stat.S_ISREG(status.st_mode) else b""
    except KeyUnusable:
        raise
    except OSError as error:
        raise KeyUnusable(f"no key can be kept in {path}: {error.strerror or error}") from None
    if len(found) != SIZE:
        raise KeyUnusable(f"{path} is no key: it has not {SIZE} bytes")
    return found


def _require_own(path: Path, status: os.stat_result, others: int, may: str) -> None:
    if status.st_uid != os.geteuid():
        raise KeyUnusable(f"{path} belongs to another user")
    if status.st_mode & others:
        raise KeyUnusable(f"others may {may} {path}: chmod go= {path}")


def _make(path: Path) -> None:
    """Puts a whole key in place, unless another run has done so a moment ago."""
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    staged = path.with_name(f".key.{os.urandom(4).hex()}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(SIZE))
        with suppress(FileExistsError):
            path.hardlink_to(staged)
    finally:
        with suppress(OSError):
            staged.unlink()
