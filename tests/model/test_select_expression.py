"""Regular expressions: a right answer or a refusal at once, whatever the pattern and the name; ordinary ones as `re` has them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surgery.model.select.expression import Expression, ExpressionRefused

EVIL = [
    (r"(a+)+$", "a" * 250 + "!", False),
    (r"^(a+)+$", "a" * 250 + "!", False),
    (r"(a|a)*$", "a" * 250 + "!", True),
    (r"^(a|aa)+$", "a" * 250 + "!", False),
    (r"^(a|a?)+$", "a" * 250 + "!", False),
    (r"^([a-zA-Z]+)*$", "a" * 250 + "!", False),
    (r"^(.*a){20}$", "a" * 250 + "!", False),
    (r"^(.*)*x$", "a" * 250, False),
    (r"^(\w+\s?)*$", "a" * 250 + "!", False),
    (r"^(\w*)*\d$", "a" * 250, False),
    (r".*.*.*.*.*.*.*.*.*.*=", "a" * 250, False),
    (r"^a*a*a*a*a*a*a*a*b$", "a" * 250, False),
    (r"^(a?){60}a{60}$", "a" * 60, True),
    (r"^((a*)*)*b$", "a" * 250, False),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 250, False),
    (r"(x+x+)+y", "x" * 250, False),
    (r"^(([^/]+/)*)*conv$", "block/" * 40 + "pool", False),
    (r"^(a|b|ab)*c$", "ab" * 120, False),
    (r"(.+)+\d{3}_$", "block_" * 40, False),
    (r"(?i)^(A+)+(B+)+$", "ab" * 125 + "!", False),
    (r"(a|b)*a(a|b){80}c", "ab" * 125, False),
    (r"^(\S+_)+(\S+_)+(\S+_)+x$", "conv_" * 50, False),
    ("(?i)" + "[\u0000-\U0010ffff]" * 100, "a" * 250, True),
]

REFUSED = [
    (r"^(?!head)", "RE2 cannot look ahead or behind", "write two"),
    (r"conv(?=_1)", "RE2 cannot look ahead or behind", "write two"),
    (r"(?<=block1_)conv", "RE2 cannot look ahead or behind", "write two"),
    (r"(a)\1", r"invalid escape sequence: \1", None),
    (r"conv\Z", r"invalid escape sequence: \Z", "write $"),
    (r"a{,3}", "RE2 would take '{,'", "write {0,"),
    (r"(?:[ab]{500}){500}", "it is too large", "list"),
    (r"((a{100}){100}){100}", "it is too large", "list"),
    ("a" * 250_000, "it is too large", "list"),
    ("(" * 100_000, "missing )", None),
    ("\ud800", "half a character", None),
]

pieces = st.sampled_from(
    [
        "a",
        "b",
        "_",
        "1",
        "block",
        "conv",
        ".",
        "[ab]",
        "[^/]",
        "[a-z0-9]",
        r"\d",
        r"\w",
        "/",
        r"\.",
        "^",
        "$",
        r"\b",
        r"\S",
    ]
)
patterns = st.recursive(
    pieces,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?", "{0,2}?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        inner.map("({})".format),
    ),
    max_leaves=8,
)
names = st.text(st.sampled_from("ab_1/.c"), max_size=12) | st.sampled_from(
    ["block1_conv1", "encoder/block/conv", "ab1"]
)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("pattern", "name", "is_found"), EVIL)
def test_an_evil_pattern_is_answered_at_once(pattern: str, name: str, is_found: bool) -> None:
    expression = Expression(pattern)
    assert all(expression.is_in(name) is is_found for _ in range(200))


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("pattern", "why", "fix"), REFUSED)
def test_what_re2_does_not_have_is_refused_with_a_way_around(pattern: str, why: str, fix: str | None) -> None:
    with pytest.raises(ExpressionRefused, match=re.escape(why)) as caught:
        Expression(pattern)
    assert (caught.value.fix or "").find(fix or "") >= 0


@given(patterns, names)
def test_an_ordinary_pattern_is_found_where_re_finds_it(pattern: str, name: str) -> None:
    assert Expression(pattern).is_in(name) is (re.search(pattern, name) is not None)
