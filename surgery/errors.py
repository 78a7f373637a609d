"""What goes wrong for a user: one place, one format, one exit status for each kind.

Every error that a user can cause is a `SurgeryError`. Its code is the class name in kebab case (`UnknownLayer` is
`unknown-layer`), its docstring is the entry of the error catalogue, and its fields are what the user needs next: where,
what, what was expected, and a fix to type.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a text file. Lines and columns count from 1; `width` is how many characters the mark underlines."""

    path: str
    line: int = 1
    column: int = 1
    width: int = 1
    text: str | None = None
    """The text of that line, for the frame."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class SurgeryError(Exception):
    """Something that the user can put right.

    Args:
        what: One sentence, in the words of the recipe or the command line.
        expected: What would have been right.
        fix: Something to type; or what finds it, where that takes a while and may never be read.
        location: Where; a command that has no file leaves it out.
        field: The keys from the operation (or the recipe) down to the value at fault, for whoever knows its position.
        mark: Whether the value or its key is at fault.
    """

    exit_status: ClassVar[int] = 1
    severity: ClassVar[str] = "error"

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        fix: str | Callable[[], str] | None = None,
        location: Location | None = None,
        field: tuple[str | int, ...] = (),
        mark: Literal["value", "key"] = "value",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self._fix = fix
        self.location = location
        self.field = field
        self.mark = mark

    @property
    def fix(self) -> str | None:
        """Something to type."""
        if callable(self._fix):
            self._fix = self._fix()
        return self._fix

    @fix.setter
    def fix(self, fix: str | None) -> None:
        self._fix = fix

    @classmethod
    def code(cls) -> str:
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    def at(self, location: Location | None) -> Self:
        """Says where, unless that is known already."""
        if self.location is None:
            self.location = location
        return self

    def prefixed(self, prefix: str) -> Self:
        """Says whose the error is: `freeze: ...`."""
        self.what = f"{prefix}: {self.what}"
        return self

    def __str__(self) -> str:
        return render(self)


class Errors(SurgeryError):
    """Several errors of one file, in the order of their lines."""

    def __init__(self, errors: list[SurgeryError]) -> None:
        super().__init__("; ".join(error.what for error in errors))
        self.errors = sorted(errors, key=_position)
        self.status = max((error.exit_status for error in errors), default=1)

    def __str__(self) -> str:
        return "\n\n".join(render(error) for error in self.errors)


def flatten(error: SurgeryError) -> list[SurgeryError]:
    """The single errors that an error stands for."""
    return list(error.errors) if isinstance(error, Errors) else [error]


def raise_all(errors: list[SurgeryError]) -> None:
    """Raises one error as itself, several as `Errors`, none not at all."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Errors(errors)


def render(error: SurgeryError) -> str:
    """The error as text: `path:line:column: error[code]: what`, the frame, what was expected, the fix."""
    if isinstance(error, Errors):
        return str(error)
    where = f"{printable(str(error.location))}: " if error.location else ""
    if where.startswith(
        ("::", "##[")
    ):  # a file called like a command of a CI log, which is obeyed at the start of a line
        where = f"./{where}"
    lines = [f"{where}{error.severity}[{error.code()}]: {printable(error.what)}"]
    if error.location and error.location.text is not None:
        lines += _frame(error.location)
    if error.expected:
        lines.append(f"  expected: {printable(error.expected)}")
    if error.fix:
        lines.append(f"  fix:      {printable(error.fix)}")
    return "\n".join(lines)


def printable(text: str) -> str:
    """The text on one line, with nothing in it that a terminal or a log would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _frame(location: Location) -> list[str]:
    text, skipped = _window(location.text or "", location.column)
    gutter = " " * len(str(location.line))
    width = min(max(1, location.width), max(1, len(text) - location.column + 1 + skipped))
    mark = " " * (location.column - 1 - skipped) + "^" * width
    return [
        f"{gutter} |",
        f"{location.line} | {printable(text)}",
        f"{gutter} | {mark}",
    ]


def _window(text: str, column: int, width: int = 160) -> tuple[str, int]:
    """The part of a long line around a column, and how many characters before it are left out."""
    start = max(0, column - width // 2) if len(text) > width else 0
    return text[start : start + width], start


def _position(error: SurgeryError) -> tuple[str, int, int]:
    place = error.location
    return (place.path, place.line, place.column) if place else ("", 0, 0)


def relocated(location: Location, **changes: int) -> Location:
    """The same file and text, another line, column or width."""
    return replace(location, **changes)  # type: ignore[arg-type]


# The recipe as text


class FileMissing(SurgeryError):
    """A file that a recipe or a command names is not there."""


class FileUnreadable(SurgeryError):
    """A file is there and cannot be read as what it should be."""


class EncodingInvalid(SurgeryError):
    """A recipe is UTF-8 without a byte order mark; this file is something else."""


class CharacterRefused(SurgeryError):
    """A control, bidirectional or invisible character: a reviewer would read something else than surgery does."""


class SyntaxInvalid(SurgeryError):
    """The recipe is not YAML 1.2."""


class SeveralDocuments(SurgeryError):
    """A file holds one recipe, so there is no second document after `---` in it."""


class DirectiveRefused(SurgeryError):
    """A `%YAML` or `%TAG` line would change what the rest of the file means. Recipes are YAML 1.2, always."""


class TagRefused(SurgeryError):
    """A YAML tag (`!!python/tuple`, `!include`) asks for something else than plain values."""


class AnchorRefused(SurgeryError):
    """YAML anchors (`&a`) and aliases (`*a`) can blow up a small file. `parameters:` is how a recipe repeats itself."""


class MergeKeyRefused(SurgeryError):
    """The merge key `<<` is not part of YAML 1.2. Write the keys out, or use `parameters:`."""


class KeyNotText(SurgeryError):
    """A key that is not text: a number, true, null, a list or a map. Quote it if it is meant as text."""


class DuplicateKey(SurgeryError):
    """A mapping of the recipe has the same key twice; YAML would silently take one of them."""


class AmbiguousValue(SurgeryError):
    """A plain value that YAML tools read in different ways (`no`, `on`, `0777`, `1_000`). Quote it, or write it plainly."""


class LimitExceeded(SurgeryError):
    """A recipe is larger or deeper than any recipe needs to be."""


# The recipe as values


class UnknownKey(SurgeryError):
    """A key that the recipe format does not have at this place."""


class MissingKey(SurgeryError):
    """A key that must be there is not."""


class WrongType(SurgeryError):
    """A value of another type than the key takes."""


class InvalidValue(SurgeryError):
    """A value of the right type that the key does not take."""


class UnknownOperation(SurgeryError):
    """An `op` that surgery does not have. `surgery ops` lists them."""


class UnknownClass(SurgeryError):
    """A layer, optimizer, loss, metric or callback class that Keras does not have."""


class UnknownArgument(SurgeryError):
    """A constructor argument that the Keras class does not take."""


class DuplicateName(SurgeryError):
    """Two stages or two evaluations have the same name, and the report could not tell them apart."""


class UnknownParameter(SurgeryError):
    """`${name}` or `--set name=value` names a parameter that the recipe does not declare."""


class UnusedParameter(SurgeryError):
    """A parameter is declared and `${name}` stands nowhere. The recipe works without it: this is a warning."""

    severity = "warning"


class UndeclaredImport(SurgeryError):
    """The recipe uses a class or function from outside Keras whose module is not under `imports`."""


class UntrustedImport(SurgeryError):
    """The recipe needs code from outside Keras, and nobody has granted it. Trust never comes from the recipe."""


class PathRefused(SurgeryError):
    """A path that `--restricted` does not follow: absolute, outside the workspace, a symbolic link, a pipe or a device."""


class FetchRefused(SurgeryError):
    """The recipe's model would be made by Keras, downloaded or made by imported code, and `--restricted` does none of it."""


# The recipe against the model


class UnknownLayer(SurgeryError):
    """A selector matches no layer of the model."""


class UnexpectedCount(SurgeryError):
    """A selector matches another number of layers than `expect` says."""


class NothingToDo(SurgeryError):
    """An operation would change nothing. Say `optional: true` where that is fine."""


class NameTaken(SurgeryError):
    """Two layers of one model would have the same name."""


class ContradictoryOperations(SurgeryError):
    """Two operations cannot both hold: one removes or replaces what the other works on."""


class ShapeMismatch(SurgeryError):
    """A layer cannot take the tensor that it would get."""


class WeightMismatch(SurgeryError):
    """Weights that should be kept do not fit the layer any more."""


class GraphUnsupported(SurgeryError):
    """An operation asks for something that this place in the graph does not allow."""


class ShapeUnknown(SurgeryError):
    """The shape of a layer is not known without Keras, and Keras is not installed here."""


# Models


class ModelUnsupported(SurgeryError):
    """A model file that holds no graph which surgery could edit (a subclassed model, a SavedModel)."""


class ModelInvalid(SurgeryError):
    """A model file that contradicts itself or is damaged."""


class ModelUnsafe(SurgeryError):
    """A model file that could run code or read other files when it is loaded."""


class PlanStale(SurgeryError):
    """A saved plan stands on something that is not as it was: the recipe, the model, the data or a version."""


class CheckpointStale(SurgeryError):
    """A run cannot be resumed: something that its weights follow from is not as it was when its checkpoint was written."""


class CheckpointInvalid(SurgeryError):
    """A checkpoint that is not as it was written. Without it the run starts from the beginning; stages that are done stay done."""


class CheckpointForeign(SurgeryError):
    """A checkpoint without the seal of this user: it came with a checkout, or from another user or machine. It is not resumed, for
    what is in it decides the weights; see "Resuming elsewhere" in docs/fine-tuning.md.
    """


class DigestMismatch(SurgeryError):
    """A file is not the one that was pinned by its digest."""


# Data, training, running


class DataInvalid(SurgeryError):
    """The data does not fit the model, the loss or the recipe."""


class ExtraMissing(SurgeryError):
    """A package is needed that the core of surgery does not install."""


class OutputRefused(SurgeryError):
    """The output would replace an input, or lies where a recipe may not write."""


class PromiseBroken(SurgeryError):
    """The written model is not what the plan said. Nothing was put in place of the old file."""

    exit_status = 3


class GateFailed(SurgeryError):
    """A comparison or a gate of the recipe failed: `max_drop`, `--check`, `--exit-code`."""

    exit_status = 4


class LockDrift(GateFailed):
    """Something is not as the lock says: what goes into a run, or (for `verify`) what came out of it."""


class LockInvalid(SurgeryError):
    """A file that is no lock, or one with an unresolved merge conflict. `surgery lock RECIPE` writes it anew."""


class RunFailed(SurgeryError):
    """The run itself failed: memory, NaN, disk, a killed process."""

    exit_status = 5


class CodeFailed(RunFailed):
    """Code from outside Keras that the recipe names raised an error, in the file and the line that the message names."""

    exit_status = 1


class Interrupted(RunFailed):
    """Ctrl-C (SIGINT). The run finished its step and kept how far it was, for `--resume`; a second one leaves at once."""

    exit_status = 130


class Terminated(RunFailed):
    """SIGTERM. The run finished its step and kept how far it was, for `--resume`; a second one leaves at once."""

    exit_status = 143


class Busy(SurgeryError):
    """Another run is writing the same output."""

    exit_status = 6


class ServiceFailed(SurgeryError):
    """A service that was asked for something, GitHub for a comment, did not do it."""

    exit_status = 5


class UsageError(SurgeryError):
    """A command line that surgery does not understand."""

    exit_status = 2


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""What the system says of a disk that takes nothing any more."""


def of_the_disk(error: OSError, path: object = None) -> RunFailed | None:
    """What to say when a disk gave out; None where an error is something else.

    Args:
        error: What the system says.
        path: What was written; left out where the error knows.
    """
    # Where no folder takes a temporary file, Python says that there is none.
    is_homeless = isinstance(error, FileNotFoundError) and "temporary directory" in str(error.strerror)
    if error.errno not in FULL and not is_homeless:
        return None
    named = path if path is not None else error.filename if isinstance(error.filename, str | os.PathLike) else None
    where = "the disk" if named is None else f"{named} cannot be written"
    return RunFailed(
        f"{where}: {error.strerror or os.strerror(error.errno or 0)}; what was there before is untouched",
        expected="a disk with room that can be written to",
        fix="make room, name another place with -o, or set TMPDIR",
    )
