"""What a scan says: accepted, refused or could not check, and every reason with its place in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

LAMBDA = "class-lambda"
"""The code of a finding: a layer carries Python code."""


class Status(StrEnum):
    """How a scan ends. `UNCHECKED` is a refusal too: what cannot be read to its end cannot be called safe. `NOTED` is what a finding
    has that refuses nothing."""

    ACCEPTED = "accepted"
    NOTED = "noted"
    REFUSED = "refused"
    UNCHECKED = "could not check"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason to refuse a model file.

    `member` is the part of the file (`config.json`, `model.weights.h5`), `place` the position in it: a JSON path, an HDF5
    path, the name of a zip member. Both may be empty. `is_compiled` is said of what stands in the part that tells how the model was
    compiled: Keras looks at it where it compiles the model, and surgery never does.
    """

    code: str
    status: Status
    message: str
    member: str = ""
    place: str = ""
    is_compiled: bool = False

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.member, self.place) if part)
        return f"{where}: {self.message} [{self.code}]" if where else f"{self.message} [{self.code}]"

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "status": self.status.value,
            "message": self.message,
            "member": self.member,
            "place": self.place,
            "compiled": self.is_compiled,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        code, message, member, place = (str(data[key]) for key in ("code", "message", "member", "place"))
        return cls(code, Status(data["status"]), message, member, place, data["compiled"] is True)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which bytes were scanned: a file of the same identity has not been written to or replaced since."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a scan.

    Args:
        path: The file as it was named.
        kind: `zip`, `folder`, `hdf5`, or `unknown` when the file is no model at all.
        findings: Every reason against the file, and what is noted of it.
        identity: Of every file that was read, by its name in the folder; one entry with an empty name for a single file.
    """

    path: str
    kind: str
    findings: tuple[Finding, ...] = ()
    identity: tuple[tuple[str, Identity], ...] = ()

    @property
    def status(self) -> Status:
        statuses = {finding.status for finding in self.reasons}
        if Status.REFUSED in statuses:
            return Status.REFUSED
        return Status.UNCHECKED if statuses else Status.ACCEPTED

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """The findings that refuse the file."""
        return tuple(finding for finding in self.findings if finding.status is not Status.NOTED)

    @property
    def is_accepted(self) -> bool:
        return self.status is Status.ACCEPTED

    @property
    def is_usable(self) -> bool:
        """Whether nothing is wrong with the model itself: surgery never compiles what a file says, so that part may be odd."""
        return all(finding.is_compiled for finding in self.reasons)

    @property
    def is_readable(self) -> bool:
        """Whether nothing is wrong with it but code in Lambda layers, which only Keras would run: it may be read, not loaded."""
        return all(finding.code == LAMBDA or finding.is_compiled for finding in self.reasons)

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "kind": self.kind,
            "verdict": self.status.value,
            "findings": [finding.as_json() for finding in self.findings],
        }
