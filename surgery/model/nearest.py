"""The valid word that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 100
"""Characters of a word that is compared: the time grows with the square of it, and nobody mistypes more."""


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The closest of the words, if one is close. Case and underscores count only between words of the same letters."""
    from difflib import get_close_matches

    known: dict[str, list[str]] = {}
    if len(word) > LONGEST:
        return None
    for candidate in sorted(one for one in words if len(one) <= LONGEST):
        known.setdefault(_letters(candidate), []).append(candidate)
    close = get_close_matches(_letters(word), known, n=1, cutoff=0.6)
    alike = known[close[0]] if close else []
    return next((candidate for candidate in alike if candidate[:1].isupper() == word[:1].isupper()), (*alike, None)[0])


def did_you_mean(word: str, words: Iterable[str]) -> str | None:
    """The fix to print for a mistyped word."""
    close = nearest(word, words)
    return None if close is None else f"did you mean {close!r}?"


def _letters(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
