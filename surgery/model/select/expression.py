"""Regular expressions as RE2 reads them: it never goes back in a text, so no expression takes longer than its own size times
the size of the text. Python's `re` can take hours for `(a+)+$` and one name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

MEMORY = 64 << 10
"""Bytes of a compiled expression: about a thousand characters. With it the slowest one that could be found looks through
10,000 names of 250 characters in a second and a half."""

_LOOKS_AROUND = ("(?=", "(?!", "(?<=", "(?<!")
_ASIDE = "{all: [{regex: ...}, {not: {regex: ...}}]}"


class ExpressionRefused(ValueError):
    """Not a regular expression, or one that RE2 does not have.

    Args:
        why: As the end of a sentence.
        fix: What to write instead.
    """

    def __init__(self, why: str, fix: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


class Expression:
    """A compiled expression.

    Raises:
        ExpressionRefused: when the pattern is none.
    """

    def __init__(self, pattern: str) -> None:
        self._compiled = _compiled(pattern)

    def is_in(self, text: str) -> bool:
        """Whether it is found anywhere in a text."""
        return self._compiled.search(text) is not None


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> Any:
    import re2

    if re.search(r"(?<!\\)\{,\d", pattern):
        raise ExpressionRefused("RE2 would take '{,' for these two characters", "write {0, instead of {,")
    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = MEMORY, False, True
    try:
        return re2.compile(pattern, options)
    except UnicodeEncodeError:
        raise ExpressionRefused("half a character is in it") from None
    except re2.error as error:
        raise _refusal(error.args[0].decode(errors="replace")) from None


def _refusal(why: str) -> ExpressionRefused:
    if why.endswith(_LOOKS_AROUND):
        return ExpressionRefused("RE2 cannot look ahead or behind", f"write two: {_ASIDE}")
    if why.endswith(r"\Z"):
        return ExpressionRefused(why, "write $ instead of \\Z")
    if "too large" in why or "repetition size" in why:
        return ExpressionRefused("it is too large", "write several in a list, or a glob")
    return ExpressionRefused(why)
