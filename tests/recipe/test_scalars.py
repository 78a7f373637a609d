"""What a plain scalar means, and what nobody should have to guess."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surgery.errors import SurgeryError
from surgery.recipe.document import Scalar
from surgery.recipe.scalars import read_plain, write_plain

VALUES: list[tuple[str, Scalar]] = [
    ("", None),
    ("~", None),
    ("null", None),
    ("Null", None),
    ("NULL", None),
    ("true", True),
    ("True", True),
    ("TRUE", True),
    ("false", False),
    ("False", False),
    ("0", 0),
    ("-0", 0),
    ("7", 7),
    ("+7", 7),
    ("-12", -12),
    ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775808", -(2**63)),
    ("0.5", 0.5),
    (".5", 0.5),
    ("5.", 5.0),
    ("-0.25", -0.25),
    ("1e-3", 0.001),
    ("1E3", 1000.0),
    ("1.5e+2", 150.0),
    ("y", "y"),
    ("n", "n"),
    ("x_train", "x_train"),
    ("block5_*", "block5_*"),
    ("none", "none"),
    ("inf", "inf"),
    ("nan", "nan"),
    ("NaN", "NaN"),
    ("yEs", "yEs"),
    ("noon", "noon"),
    ("1.2.3", "1.2.3"),
    ("3d", "3d"),
    ("-", "-"),
    (".", "."),
    ("1e", "1e"),
    ("2026-01", "2026-01"),
    ("12:x", "12:x"),
    ("${epochs}", "${epochs}"),
]

REFUSED: list[tuple[str, str]] = [
    *(("ambiguous-value", word) for word in ("yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off")),
    ("ambiguous-value", "None"),
    ("ambiguous-value", "0777"),
    ("ambiguous-value", "-010"),
    ("ambiguous-value", "08"),
    ("ambiguous-value", "00.5"),
    ("ambiguous-value", "0o17"),
    ("ambiguous-value", "0x1F"),
    ("ambiguous-value", "0b101"),
    ("ambiguous-value", "1_000"),
    ("ambiguous-value", "1_000.5"),
    ("ambiguous-value", "12:30"),
    ("ambiguous-value", "1:30:00"),
    ("ambiguous-value", "190:20:30.15"),
    ("ambiguous-value", "2026-01-31"),
    ("ambiguous-value", "2001-12-14t21:59:43.10-05:00"),
    ("invalid-value", ".inf"),
    ("invalid-value", "-.INF"),
    ("invalid-value", ".NaN"),
    ("invalid-value", "1e999"),
    ("limit-exceeded", "9223372036854775808"),
    ("limit-exceeded", "9" * 5000),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_a_plain_scalar_has_one_meaning(text: str, value: Scalar) -> None:
    assert (type(read_plain(text)), read_plain(text)) == (type(value), value)


@pytest.mark.parametrize(("code", "text"), REFUSED)
def test_what_tools_disagree_about_is_refused(code: str, text: str) -> None:
    with pytest.raises(SurgeryError) as caught:
        read_plain(text)
    assert caught.value.code() == code
    assert len(caught.value.what) < 200
    assert caught.value.expected


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("no", 'write false, or quote it: "no"'),
        ("On", 'write true, or quote it: "On"'),
        ("0777", 'write 777, 511 where octal was meant, or quote it: "0777"'),
        ("089", 'write 89, or quote it: "089"'),
        ("1_000", 'write 1000, or quote it: "1_000"'),
        ("12:30", 'quote it: "12:30"'),
    ],
)
def test_the_fix_can_be_typed(text: str, fix: str) -> None:
    with pytest.raises(SurgeryError) as caught:
        read_plain(text)
    assert caught.value.fix == fix


@given(
    st.one_of(
        st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
    )
)
def test_what_is_written_is_read_again(value: Scalar) -> None:
    assert read_plain(write_plain(value)) == value


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SurgeryError):
        assert isinstance(read_plain(text), Scalar)
