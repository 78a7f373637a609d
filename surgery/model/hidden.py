"""Characters of names that a reader does not see, sees in another order, or that nobody has given a meaning."""

from __future__ import annotations

import unicodedata

REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (bidirectional among them), surrogate, private use, unassigned; ends of lines and paragraphs."""
JOINERS = "\u200c\u200d"
_TO_COME = ((0x1F000, 0x1FAFF), (0x1FC00, 0x1FFFD), (0x20000, 0x2FFFD), (0x30000, 0x3FFFD))
"""Where emoji and ideographs are assigned year by year; Python 3.11 knows those of Unicode 14."""
_JOINED_EMOJI = frozenset({"So", "Sk", "Mn", "Me"})
"""An emoji, its colour, and the marks that may follow it."""
_VIRAMA = 9


def first_hidden(text: str, allowed: str = "") -> int | None:
    """The place of the first character that no name may have; None where there is none.

    The two joiners, U+200C and U+200D, are format characters that some scripts and emoji are written with. They may stand where
    they join: beside a letter of Arabic, Persian and their like, beside the sign that drops the vowel of a letter of India, and
    between two emoji. Elsewhere they would make two names of one that is read.

    Args:
        text: The name; or text of several lines.
        allowed: Characters that may stand in it whatever they are: ends of lines, in text.
    """
    if text.isascii() and text.isprintable():
        return None
    places = (place for place, one in enumerate(text) if is_refused(one) and one not in allowed)
    return next((place for place in places if not _joins(text, place)), None)


def is_refused(character: str) -> bool:
    """Whether a character is refused, where it is not a joiner that joins."""
    category = unicodedata.category(character)
    is_to_come = category == "Cn" and any(first <= ord(character) <= last for first, last in _TO_COME)
    return category in REFUSED and not is_to_come


def _joins(text: str, place: int) -> bool:
    if text[place] not in JOINERS:
        return False
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    beside = [one for one in (before, after) if one]
    if any(unicodedata.combining(one) == _VIRAMA for one in beside):
        return True
    if len(beside) < 2 or before in JOINERS or after in JOINERS:
        return False
    # Behind the letter there may be its vowels.
    letter = next(
        (one for one in reversed(text[max(0, place - 4) : place]) if unicodedata.category(one) != "Mn"), before
    )
    if "AL" in (unicodedata.bidirectional(letter), unicodedata.bidirectional(after)):
        return True
    return _is_emoji(before, _JOINED_EMOJI) and _is_emoji(after, frozenset({"So"}))


def _is_emoji(character: str, categories: frozenset[str]) -> bool:
    is_new = any(first <= ord(character) <= last for first, last in _TO_COME[:2])
    return is_new or unicodedata.category(character) in categories
