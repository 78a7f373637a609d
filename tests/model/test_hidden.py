"""Names in any script are names; what cannot be seen in them is found."""

from __future__ import annotations

import unicodedata

import pytest

from surgery.model.hidden import REFUSED, first_hidden

GENUINE = [
    "conv1_1 (3x3)",
    "Über-Schicht",
    "cafe\u0301",
    "слой",
    "στρώμα",
    "层",
    "レイヤー",
    "레이어",
    "שכבה",
    "طبقة",
    "می\u200cخواهم",
    "GPU\u200cها",
    "क्\u200dष",
    "ශ්\u200dරී",
    "ক্\u200d",
    "র\u200d্য",
    "ชั้น",
    "Tiếng Việt",
    "x²",
    "∇·E",
    "\U0001f600",
    "\U0001f469\u200d\U0001f52c",
    "\U0001f469\U0001f3fd\u200d\U0001f52c",
    "\u2764\ufe0f\u200d\U0001f525",
    "\U0001f3f3\ufe0f\u200d\U0001f308",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "1\ufe0f\u20e3",
    "\U0001fae8",  # of Unicode 15, which Python 3.11 does not know
    "\U0001f1e9\U0001f1ea",
]
HIDDEN = [
    ("a\x00", 1),
    ("a\x1b[0m", 1),
    ("a\nb", 1),
    ("a\x85b", 1),
    ("a\u2028b", 1),
    ("\u202egpj.exe", 0),
    ("a\u2066b\u2069", 1),
    ("a\u061cb", 1),
    ("a\u200eb", 1),
    ("a\u200bb", 1),
    ("a\ufeffb", 1),
    ("a\u2060b", 1),
    ("\ud800", 0),
    ("a\ue000", 1),
    ("a\U000f0000", 1),
    ("a\U0010fffd", 1),
    ("a\u0378", 1),
    ("a\uffff", 1),
    ("a\ufdd0", 1),
    ("a\U0001ffff", 1),
    ("a\U000e0061", 1),
    ("a\u200db", 1),
    ("a\u200c", 1),
    ("\u200ca", 0),
    ("\u0645\u200c\u200d\u0645", 1),
    ("\u0645\u200c", 1),
    ("\U0001f600\u200d", 1),
    ("\u200d\U0001f600", 0),
    ("a\u200d\U0001f600", 1),
    ("\u0301\u200d\u0301", 1),
]


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_names(name: str) -> None:
    assert first_hidden(name) is None


@pytest.mark.parametrize(("name", "place"), HIDDEN)
def test_hidden_characters(name: str, place: int) -> None:
    assert first_hidden(name) == place


def test_it_takes_as_long_as_the_text() -> None:
    assert first_hidden("\u0645\u200c" * 150_000 + "\u0645") is None


def test_every_character_by_its_category() -> None:
    for code in range(0x110000):
        category = unicodedata.category(chr(code))
        if category not in REFUSED:
            assert first_hidden(chr(code)) is None
        elif category != "Cn":
            assert first_hidden(chr(code)) == 0
