"""Verdicts of scans as plain lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

from typing_extensions import TypedDict

from surgery.errors import printable
from surgery.model.documented import documented
from surgery.model.scan import Status as Word
from surgery.model.scan import Verdict

Status = Literal["accepted", "refused", "could not check"]
Of = Literal["noted", "refused", "could not check"]


@documented
class FindingRow(TypedDict):
    """One reason against a file."""

    code: str
    """Explained by `surgery explain CODE`."""
    status: Of
    """Whether the reason refuses the file, kept it from being checked, or is only noted."""
    message: str
    """What was found."""
    member: str
    """The part of the file: `config.json`; empty for the file as a whole."""
    place: str
    """The position in it: a JSON path, an HDF5 path, the name of a member."""
    compiled: bool
    """Whether it stands where the file says how the model was compiled, which surgery never looks at; Keras does."""


@documented
class FileRow(TypedDict):
    """The verdict on one file."""

    path: str
    """The file as it was named."""
    kind: str
    """`zip`, `folder`, `hdf5`, or `unknown`."""
    verdict: Status
    """`could not check` is a refusal too."""
    findings: list[FindingRow]
    """Every reason against it."""


@documented
class ScanDocument(TypedDict):
    """What `surgery scan --json` prints."""

    format: Literal[1]
    """The version of this document."""
    accepted: bool
    """Whether every file is accepted."""
    files: list[FileRow]
    """The files in the order of the command line."""


def scan_text(verdicts: Iterable[Verdict]) -> str:
    """One line for each file, and below it one for each finding: the code, the place, what was found."""
    lines = []
    for verdict in verdicts:
        lines.append(f"{printable(verdict.path)}: {verdict.status}")
        for finding in verdict.findings:
            where = ": ".join(part for part in (finding.member, finding.place) if part)
            word = "note" if finding.status is Word.NOTED else "error"
            lines.append(f"  {word}[{finding.code}]: {f'{where}: ' if where else ''}{finding.message}")
        if verdict.is_usable and not verdict.is_accepted:
            lines.append(
                "  Surgery reads this model, for it never compiles what a file says. Load it in Keras with compile=False."
            )
    return "\n".join(lines) + "\n"


def scan_document(verdicts: Iterable[Verdict]) -> ScanDocument:
    """One JSON document for all files of a command."""
    found = list(verdicts)
    files = cast(list[FileRow], [verdict.as_json() for verdict in found])
    return {"format": 1, "accepted": all(verdict.is_accepted for verdict in found), "files": files}
