"""Bytes that no recipe needs: each is refused with its place and without a traceback."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from surgery.errors import SurgeryError, flatten
from surgery.recipe.loader import load_recipe
from surgery.recipe.reader import read_yaml

HOSTILE: list[tuple[str, bytes, str, int, int]] = [
    ("python tag", b"a: !!python/object/apply:os.system [id]", "tag-refused", 1, 4),
    ("local tag", b"a: !include other.yaml", "tag-refused", 1, 4),
    ("verbatim tag", b"a: !<tag:yaml.org,2002:str> x", "tag-refused", 1, 4),
    ("bare tag", b"a: ! x", "tag-refused", 1, 4),
    ("unknown handle", b"a: !e!x y", "tag-refused", 1, 4),
    ("tag on a map", b"a: !!map {b: 1}", "tag-refused", 1, 4),
    ("tag on a key", b"!!str a: 1", "tag-refused", 1, 1),
    ("anchor", b"a: &x 1", "anchor-refused", 1, 4),
    ("anchor on a list", b"b: 1\na: &x [1]", "anchor-refused", 2, 4),
    ("alias", b"a: *x", "anchor-refused", 1, 4),
    ("alias as a key", b"*x : 1", "anchor-refused", 1, 1),
    ("unquoted glob", b"layers: *_conv", "anchor-refused", 1, 9),
    ("merge key", b"a: 1\n<<: {b: 1}", "merge-key-refused", 2, 1),
    ("yaml directive", b"%YAML 1.1\n---\na: 1", "directive-refused", 1, 1),
    ("tag directive", b"# x\n%TAG ! tag:x,2000:\n---\na: 1", "directive-refused", 2, 1),
    ("unknown directive", b"%FOO bar\n---\na: 1", "directive-refused", 1, 1),
    ("two documents", b"a: 1\n---\nb: 2", "several-documents", 2, 1),
    ("a document after the end", b"a: 1\n...\n---\nb: 2", "several-documents", 3, 1),
    ("duplicate key", b"a: 1\nb: 2\na: 3", "duplicate-key", 3, 1),
    ("duplicate key in a flow map", b"a: {b: 1, b: 2}", "duplicate-key", 1, 11),
    ("the same key in quotes", b"a: 1\n\"a\": 2", "duplicate-key", 2, 1),
    ("number as a key", b"1: a", "key-not-text", 1, 1),
    ("true as a key", b"true: a", "key-not-text", 1, 1),
    ("null as a key", b"~: a", "key-not-text", 1, 1),
    ("no key", b"a: 1\n: b", "key-not-text", 2, 1),
    ("list as a key", b"[a, b]: c", "key-not-text", 1, 1),
    ("map as a key", b"{a: b}: c", "key-not-text", 1, 1),
    ("ambiguous key", b"on: push", "ambiguous-value", 1, 1),
    ("bidirectional override", "a: x\u202ey".encode(), "character-refused", 1, 5),
    ("bidirectional isolate in a comment", "a: 1 # \u2066x".encode(), "character-refused", 1, 8),
    ("right-to-left mark", "a: \u200f1".encode(), "character-refused", 1, 4),
    ("zero width space", "a: fre\u200beze".encode(), "character-refused", 1, 7),
    ("bidirectional by escape", b'a: "x\\u202ey"', "character-refused", 1, 4),
    ("surrogate by escape", b'a: "\\ud800"', "character-refused", 1, 4),
    ("control character by escape", b'a: "\\a"', "character-refused", 1, 4),
    ("private use", "a: x\ue000y".encode(), "character-refused", 1, 5),
    ("private use in a key", "x\U000f0000y: 1".encode(), "character-refused", 1, 2),
    ("private use in quotes", "a: 'x\ue000y'".encode(), "character-refused", 1, 6),
    ("private use by escape", b'a: "\\ue000"', "character-refused", 1, 4),
    ("unassigned", "a: [b, x\u0378y]".encode(), "character-refused", 1, 9),
    ("unassigned by escape", b'a: "\\u0378"', "character-refused", 1, 4),
    ("no character at all", "a: x\U0001fffey".encode(), "character-refused", 1, 5),
    ("soft hyphen", "a: con\u00adv".encode(), "character-refused", 1, 7),
    ("hidden ASCII of tags", "a: x\U000e0041".encode(), "character-refused", 1, 5),
    ("joiner that joins nothing", "a: conv\u200d1".encode(), "character-refused", 1, 8),
    ("joiner at an end", "a: conv\u200c".encode(), "character-refused", 1, 8),
    ("joiner at a beginning", "a: '\u200dconv'".encode(), "character-refused", 1, 5),
    ("two joiners", "a: \u0645\u200c\u200c\u0645".encode(), "character-refused", 1, 5),
    ("joiner by escape", b'a: "conv\\u200d1"', "character-refused", 1, 4),
    ("newline in a name", b'a: {name: "conv\\n1"}', "character-refused", 1, 11),
    ("tab in a name", b'a: {name: "conv\\t1"}', "character-refused", 1, 11),
    ("lines for a name", b"a:\n  name: |\n    conv\n    1\n", "character-refused", 2, 9),
    ("nul", b"a: b\x00c", "character-refused", 1, 5),
    ("escape sequence of a terminal", b"a: \x1b[31m", "character-refused", 1, 4),
    ("line separator", "a: b\u2028c: d".encode(), "character-refused", 1, 5),
    ("next line", "a: b\u0085c: d".encode(), "character-refused", 1, 5),
    ("carriage return alone", b"a: b\rc: d", "character-refused", 1, 5),
    ("delete", b"a: \x7f", "character-refused", 1, 4),
    ("byte order mark", b"\xef\xbb\xbfa: 1", "encoding-invalid", 1, 1),
    ("utf-16", "a: 1".encode("utf-16"), "encoding-invalid", 1, 1),
    ("utf-32", "a: 1".encode("utf-32"), "encoding-invalid", 1, 1),
    ("invalid utf-8", b"a: 1\nb: \xc3\x28", "encoding-invalid", 2, 4),
    ("overlong utf-8", b"a: \xc0\xaf", "encoding-invalid", 1, 4),
    ("half a character", b"a: \xe2\x82", "encoding-invalid", 1, 4),
    ("encoded surrogate", b"a: \xed\xa0\x80", "encoding-invalid", 1, 4),
    ("a huge integer", b"a: " + b"9" * 5000, "limit-exceeded", 1, 4),
    ("an infinite float", b"a: 1e999", "invalid-value", 1, 4),
    ("deep lists", b"[" * 10_000, "limit-exceeded", 1, 33),
    ("deep maps", b"{a: " * 10_000, "limit-exceeded", 1, 129),
    ("deep blocks", b"- " * 10_000, "limit-exceeded", 1, 65),
    ("deep complex keys", b"? " * 10_000, "limit-exceeded", 1, 65),
    ("too many values", b"a:\n" + b"- 1\n" * 30_000, "limit-exceeded", 19_999, 3),
    ("too large", b"#" * 300_000, "limit-exceeded", 1, 1),
    ("nothing", b"", "syntax-invalid", 1, 1),
    ("only a comment", b"# nothing\n", "syntax-invalid", 1, 1),
    ("tab as indentation", b"a:\n\tb: 1", "syntax-invalid", 2, 1),
    ("open quote", b"a: 'b\n\n", "syntax-invalid", 1, 4),
    ("open map", b"a: {b: 1", "syntax-invalid", 1, 4),
    ("open list", b"a: 1\nb: [1,\n", "syntax-invalid", 2, 7),
    ("two keys on a line", b"a: b: c", "syntax-invalid", 1, 5),
    ("a key without a colon", b"a: 1\nbc\nd: 1", "syntax-invalid", 2, 1),
    ("text behind a quote", b"a: 'b' c", "syntax-invalid", 1, 8),
    ("an impossible escape", b'a: "\\q"', "syntax-invalid", 1, 6),
    ("an impossible code point", b'a: 1\nb: "\\U00110000"', "syntax-invalid", 2, 2),
    ("a reserved character", b"a: @b", "syntax-invalid", 1, 4),
    ("a star alone", b"a: *", "syntax-invalid", 1, 4),
    ("a parameter in a flow map", b"a: {b: ${c}}", "syntax-invalid", 1, 9),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "code", "line", "column"), [case[1:] for case in HOSTILE], ids=[c[0] for c in HOSTILE]
)
def test_refused_with_its_place(data: bytes, code: str, line: int, column: int) -> None:
    try:
        problems = read_yaml("recipe.yaml", data)[1]
    except SurgeryError as error:
        problems = flatten(error)

    found = [(error.code(), error.location.line, error.location.column) for error in problems if error.location]
    assert found[0] == (code, line, column)
    assert len(found) == len(problems)
    assert all(len(str(error)) < 2000 and error.expected for error in problems)


def test_no_flood_of_errors() -> None:
    with pytest.raises(SurgeryError) as caught:
        read_yaml("recipe.yaml", b"- no\n" * 5000)
    assert len(flatten(caught.value)) == 100


def test_what_scripts_and_emoji_need_is_allowed() -> None:
    text = "a: \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f52c \u00fc\nb: \U0001f600 x\n"
    document, problems = read_yaml("recipe.yaml", text.encode())
    assert not problems
    assert document.location("b").column == 4


def test_windows_line_ends() -> None:
    document, problems = read_yaml("recipe.yaml", b"a: 1\r\nb:\r\n  - no\r\n")
    assert [(e.location.line, e.location.column) for e in problems if e.location] == [(3, 5)]
    assert document.root.plain() == {"a": 1, "b": ["no"]}
    assert document.lines[0] == "a: 1"


def test_a_left_out_value_is_shown_by_its_key() -> None:
    document, _ = read_yaml("recipe.yaml", b"a:\nb: {c: }\n")
    assert [str(document.location(*keys)) for keys in (("a",), ("b", "c"))] == ["recipe.yaml:1:1", "recipe.yaml:2:5"]


def test_all_that_one_pass_can_find() -> None:
    text = b"%YAML 1.1\n---\na: &x no\nb: *x\nc: 0777\na: 1\n1: 2\nd: 'open\n"
    with pytest.raises(SurgeryError) as caught:
        read_yaml("recipe.yaml", text)
    assert sorted((e.location.line, e.code()) for e in flatten(caught.value) if e.location) == [
        (1, "directive-refused"),
        (3, "ambiguous-value"),
        (3, "anchor-refused"),
        (4, "anchor-refused"),
        (5, "ambiguous-value"),
        (6, "duplicate-key"),
        (7, "key-not-text"),
        (8, "syntax-invalid"),
    ]


@pytest.mark.parametrize("kind", ["folder", "fifo", "socket", "device", "absent", "nul", "unreadable"])
def test_only_a_regular_file_is_opened(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "recipe.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind("recipe.yaml")
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "nul":
        path = tmp_path / "a\x00b"
    elif kind == "unreadable":
        path.symlink_to(path)
    with pytest.raises(SurgeryError) as caught:
        load_recipe(path)
    assert caught.value.code() == ("file-missing" if kind == "absent" else "file-unreadable")
    assert "\x00" not in str(caught.value)


def test_a_long_line_is_shown_in_part() -> None:
    with pytest.raises(SurgeryError) as caught:
        read_yaml("recipe.yaml", b"a: " + b"x" * 5000 + b": y # " + b"z" * 5000)
    header, _, text, mark, *_ = str(caught.value).split("\n")
    assert header.startswith("recipe.yaml:1:5004: error[syntax-invalid]")
    assert len(text) < 200
    assert text[mark.index("^")] == ":"
