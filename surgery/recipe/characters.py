"""From the bytes of a recipe to its lines: UTF-8, and no character that shows something else than it says."""

from __future__ import annotations

import re
import unicodedata

from surgery.errors import EncodingInvalid, LimitExceeded, Location, SurgeryError, raise_all
from surgery.model.hidden import JOINERS
from surgery.recipe import refusals
from surgery.recipe.document import Span, locate

LARGEST_FILE = 256 * 1024
MOST_PROBLEMS = 100
"""What is reported of one file; the rest of such a file is noise."""

_ASCII = re.compile(r"[\n\t\x20-\x7e]*")


def decode(path: str, data: bytes) -> tuple[str, ...]:
    """The lines of a file, without line ends.

    Raises:
        LimitExceeded: when the file is larger than any recipe.
        EncodingInvalid: when it is not UTF-8, or begins with a byte order mark.
        CharacterRefused: for control, bidirectional and invisible characters, all of them at once.
    """
    if len(data) > LARGEST_FILE:
        raise LimitExceeded(
            "the file is too large for a recipe", expected=f"at most {LARGEST_FILE} bytes", location=Location(path)
        )
    if data.startswith(b"\xef\xbb\xbf"):
        raise EncodingInvalid(
            "the file begins with a byte order mark",
            expected="UTF-8 without a byte order mark",
            fix="save it as UTF-8 without BOM",
            location=Location(path),
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, data, error.start) from None
    lines = tuple(text.replace("\r\n", "\n").split("\n"))
    if not all(_ASCII.fullmatch(line) for line in lines):
        raise_all(_refused(path, lines))
    return lines


def is_hidden(character: str) -> bool:
    """True for what a reader of the file cannot see, or sees in another order; also in comments. Joiners are part of prose in
    several scripts; where they may stand in values, `surgery.model.hidden` says."""
    if character in JOINERS or character in "\n\t":
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in "\ufffe\uffff"


def _refused(path: str, lines: tuple[str, ...]) -> list[SurgeryError]:
    problems: list[SurgeryError] = []
    for number, line in enumerate(lines, 1):
        for column, character in enumerate(line, 1):
            if is_hidden(character) and len(problems) < MOST_PROBLEMS:
                problems.append(refusals.character(character).at(locate(path, lines, Span(number, column, 1))))
    return problems


def _not_utf8(path: str, data: bytes, start: int) -> EncodingInvalid:
    before = data[:start].decode("utf-8").replace("\r\n", "\n").split("\n")
    lines = tuple(data.decode("utf-8", errors="replace").replace("\r\n", "\n").split("\n"))
    return EncodingInvalid(
        f"byte 0x{data[start]:02x} is not UTF-8",
        expected="a file in UTF-8",
        fix="save the file as UTF-8",
        location=locate(path, lines, Span(len(before), len(before[-1]) + 1, 1)),
    )
