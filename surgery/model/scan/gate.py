"""From a path to a verdict, and from a verdict to a use: the only way that commands come by a model file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

from surgery.errors import FileMissing, FileUnreadable, ModelUnsafe, SurgeryError
from surgery.model.archive import index
from surgery.model.archive.container import CONFIG, WEIGHTS, other_file, other_folder
from surgery.model.scan import limits
from surgery.model.scan.folder import identity_of, list_folder
from surgery.model.scan.process import OUTCOMES, Answered, Asked, ask
from surgery.model.scan.verdict import Finding, Identity, Status, Verdict

Trust = tuple[str, ...]
Identities = tuple[tuple[str, Identity], ...]

SPECIAL = "file-special"
EXTENSION = "file-extension"
NO_MODEL = "file-not-a-model"

FILE_CODES = {
    SPECIAL: "The path is a pipe, a socket or a device. Opening one can wait for ever, so it is refused before it is opened.",
    EXTENSION: "The file's name says another format than its content, so that programs would read it in different ways.",
    NO_MODEL: "The file is neither a zip archive, nor HDF5, nor a folder: no model that surgery reads.",
    "file-changed": "The file was written to or replaced between its scan and the end of its use.",
}

_KINDS = {".keras": ("zip", "folder"), ".h5": ("hdf5",), ".hdf5": ("hdf5",)}


def scan(path: str | os.PathLike[str], trust: tuple[str, ...] = (), seconds: float = limits.WALL_SECONDS) -> Verdict:
    """Scans a model file or folder: `.keras`, `.h5`, `.hdf5` of Keras 1 to 3, or weights alone.

    Args:
        path: The file. A symbolic link to it is followed; links inside a folder are not.
        trust: Modules whose classes may be in the model, as `--trust` names them.
        seconds: How long reading it may take.

    Returns:
        The verdict, always: a hostile or broken file raises nothing.

    Raises:
        FileMissing: There is no such file.
        FileUnreadable: It may not be read.
    """
    name = os.fspath(path)
    if _is_special(name):
        message = "the path is a pipe, a socket or a device"
        return Verdict(name, "unknown", (Finding(SPECIAL, Status.REFUSED, message),))
    begun = _AHEAD.pop((name, trust), None)
    if begun is not None and begun.before != _now(name):
        begun.abandon()
        begun = None
    return (begun or _begin(name, trust, seconds)).finish()


@contextmanager
def ahead(*paths: str | os.PathLike[str], trust: Trust = ()) -> Iterator[None]:
    """Has several files scanned at the same time, before they are used one after the other.

    What there is to say of a file is said when it is used.
    """
    names = [os.fspath(path) for path in paths]
    try:
        for name in names:
            with suppress(SurgeryError):
                if (name, trust) not in _AHEAD and not _is_special(name):
                    _AHEAD[name, trust] = _begin(name, trust, limits.WALL_SECONDS)
        yield
    finally:
        for name in names:
            begun = _AHEAD.pop((name, trust), None)
            if begun is not None:
                begun.abandon()


@dataclass(frozen=True, slots=True)
class _Begun:
    """A scan that goes on."""

    name: str
    descriptor: int
    before: Identities
    asked: Asked

    def finish(self) -> Verdict:
        try:
            said = self.asked.wait()
            after = _identities(self.descriptor)
        finally:
            os.close(self.descriptor)
        findings = (*_extension(self.name, said.kind), *said.findings)
        if self.before != after:
            findings = (*findings, Finding("file-changed", Status.UNCHECKED, "the file changed while it was scanned"))
        verdict = Verdict(self.name, said.kind, findings, self.before)
        if verdict.is_usable:
            _keep(said, self.before)
        return verdict

    def abandon(self) -> None:
        self.asked.abandon()
        os.close(self.descriptor)


_AHEAD: dict[tuple[str, Trust], _Begun] = {}


def _begin(name: str, trust: Trust, seconds: float) -> _Begun:
    descriptor = _open(name)
    try:
        return _Begun(name, descriptor, _identities(descriptor), ask(descriptor, trust, seconds))
    except BaseException:
        os.close(descriptor)
        raise


def _is_special(name: str) -> bool:
    mode = _status(name).st_mode
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _keep(said: Answered, identities: Identities) -> None:
    """Has the list of variables at hand for whoever opens the same bytes."""
    held = "" if said.kind == "zip" else WEIGHTS
    for name, identity in identities:
        if name == held and said.index is not None:
            index.keep(astuple(identity), said.index)


@contextmanager
def checked(path: str | os.PathLike[str], trust: tuple[str, ...] = (), *, only_read: bool = False) -> Iterator[Path]:
    """Scans a model file for the time of its use: `with checked(path) as path: read_model(path)`.

    The scan is made once for the same file, however often it is used. At the end the file must still be the one that was
    scanned, so what was read from it may be believed.

    Args:
        path: The file.
        trust: The modules whose classes may be in it.
        only_read: Whether code in its Lambda layers does not matter, for Keras never gets to see them.

    Raises:
        ModelUnsafe: The scan does not accept the file, or the file changed meanwhile.
    """
    verdict = require_safe(path, trust, only_read=only_read)
    yield Path(path)
    if _now(os.fspath(path)) != verdict.identity:
        raise ModelUnsafe(
            f"{os.fspath(path)} changed while it was read",
            expected="the file that was scanned",
            fix="run the command again once nothing writes to the file",
        )


def require_safe(path: str | os.PathLike[str], trust: tuple[str, ...] = (), *, only_read: bool = False) -> Verdict:
    """The verdict on a file whose model is accepted. How it was compiled may name what it likes: nothing looks at that.

    Raises:
        ModelUnsafe: The scan refuses the file or could not check it.
        ModelUnsupported: It is a folder of another format.
    """
    name = os.fspath(path)
    verdict = _remembered(name, tuple(trust), _now(name))
    if not verdict.is_usable and not (only_read and verdict.is_readable):
        raise refusal(verdict)
    return verdict


def refusal(verdict: Verdict) -> SurgeryError:
    """The error for a file that is not accepted: its first finding, and how many more there are; or what folder it is."""
    if verdict.kind == "folder" and not (Path(verdict.path) / CONFIG).exists():
        return other_folder(Path(verdict.path))
    if [finding.code for finding in verdict.findings] == [NO_MODEL]:
        descriptor = _open(verdict.path)
        try:
            other = other_file(Path(verdict.path), descriptor)
        finally:
            os.close(descriptor)
        if other is not None:
            return other
    reasons = [finding for finding in verdict.reasons if not finding.is_compiled] or verdict.reasons
    first = reasons[0]
    more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    word = "was refused" if verdict.status is Status.REFUSED else "could not be checked"
    custom = any(finding.code in ("class-custom", "class-function") for finding in reasons)
    way = ""
    if any(finding.place == "$.class_name" for finding in reasons):
        way = "; a subclassed model keeps its graph in Python: build its layers as keras.Model(inputs, outputs), and save that"
    elif custom:
        way = "; or grant its package (a function: MODULE.NAME) with --trust after reading it, and name it under the recipe's imports"
    elif verdict.is_readable:
        way = "; put a layer in its place in a recipe: {op: replace, layers: NAME, with: [{Rescaling: {scale: 2}}]}"
    return ModelUnsafe(
        f"{verdict.path} {word}: {first}{more}",
        expected="a model that runs no code and reads no other file when it is loaded",
        fix=f"see every finding: surgery scan {verdict.path}{way}",
    )


def catalogue() -> Mapping[str, str]:
    """Every code that a finding can have, with its explanation."""
    from surgery.model.scan import examine  # noqa: F401  its families register their rules
    from surgery.model.scan.rule import RULES

    return {**{rule.code: rule.explanation for rule in RULES}, **FILE_CODES, **OUTCOMES}


@cache
def _remembered(name: str, trust: Trust, identities: Identities) -> Verdict:
    return scan(name, trust)


def _now(name: str) -> Identities:
    """The identity of the file that has the name now; a special file has none and is never opened."""
    if not stat.S_ISDIR(_status(name).st_mode):
        return (("", identity_of(_status(name))),)
    descriptor = _open(name)
    try:
        return _identities(descriptor)
    finally:
        os.close(descriptor)


def _status(name: str) -> os.stat_result:
    try:
        return Path(name).stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileMissing(f"there is no file {name}") from error
    except (OSError, ValueError) as error:
        raise FileUnreadable(f"{name!r} cannot be looked at: {error}") from error


def _open(name: str) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise FileUnreadable(f"{name} cannot be opened: {error.strerror}") from error


def _identities(descriptor: int) -> Identities:
    status = os.fstat(descriptor)
    if not stat.S_ISDIR(status.st_mode):
        return (("", identity_of(status)),)
    folder = list_folder(descriptor)
    for opened in folder.opened.values():
        os.close(opened)
    return tuple((item.path, item.identity) for item in folder.items)


def _extension(name: str, kind: str) -> tuple[Finding, ...]:
    kinds = _KINDS.get(Path(name).suffix.lower())
    if kinds is None or kind in (*kinds, "unknown"):
        return ()
    return (Finding(EXTENSION, Status.REFUSED, f"the file is named as {Path(name).suffix} and holds {kind}"),)
