"""Errors and warnings as the workflow commands that GitHub shows beside the lines of a pull request.

GitHub takes ten annotations of a step and drops the others in silence, so the rest is counted aloud. A workflow command is a
line that begins with `::`: whatever comes from a recipe or a model is escaped, so that it can neither begin nor end one.
"""

from __future__ import annotations

from collections.abc import Iterable

from surgery.errors import SurgeryError, flatten, printable

MOST = 10


def errors_github(errors: Iterable[SurgeryError], most: int = MOST) -> str:
    """One `::error` or `::warning` line each, errors first, and a line that counts those which do not fit."""
    found = sorted((error for one in errors for error in flatten(one)), key=lambda error: error.severity != "error")
    shown = found if len(found) <= most else found[: most - 1]
    lines = [_line(error) for error in shown]
    if rest := len(found) - len(shown):
        lines.append(f"::notice title=surgery::{rest} more are not shown here; they are in the log of this step")
    return "".join(f"{line}\n" for line in lines)


def _line(error: SurgeryError) -> str:
    properties = {"title": f"surgery: {error.code()}"}
    if place := error.location:
        properties |= {"file": place.path, "line": str(place.line), "col": str(place.column)}
        properties |= {"endLine": str(place.line), "endColumn": str(place.column + max(1, place.width))}
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    sentences = [error.what, *([f"expected: {error.expected}"] if error.expected else [])]
    sentences += [f"fix: {error.fix}"] if error.fix else []
    return f"::{error.severity} {told}::{'%0A'.join(data(sentence) for sentence in sentences)}"


def data(text: str) -> str:
    """Text as GitHub's runner reads it back; what is not printable is shown as an escape."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return data(text).replace(":", "%3A").replace(",", "%2C")


def defused(text: str) -> str:
    """Text for a log in which no line is a workflow command: neither `::error::` nor the older `##[error]`."""
    return "\n".join(f"|{line}" if line.lstrip().startswith(("::", "##[")) else line for line in text.split("\n"))
