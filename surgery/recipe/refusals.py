"""What YAML has and a recipe may not hold, each with its error."""

from __future__ import annotations

import unicodedata

from surgery.errors import (
    AnchorRefused,
    CharacterRefused,
    DirectiveRefused,
    DuplicateKey,
    KeyNotText,
    MergeKeyRefused,
    SeveralDocuments,
    TagRefused,
)
from surgery.recipe.document import Node, Span
from surgery.recipe.scalars import write_plain


def character(hidden: str) -> CharacterRefused:
    kinds = {"Co": "of private use", "Cn": "unassigned"}
    name = unicodedata.name(hidden, kinds.get(unicodedata.category(hidden), "a control character")).lower()
    return CharacterRefused(
        f"U+{ord(hidden):04X} ({name}) is not possible in a recipe",
        expected="characters that show what they are",
        fix="take it out",
    )


def directive() -> DirectiveRefused:
    return DirectiveRefused(
        "a directive is not possible in a recipe", expected="plain YAML 1.2", fix="take the line out"
    )


def several_documents() -> SeveralDocuments:
    return SeveralDocuments(
        "a second document begins", expected="one recipe in a file", fix="make it a file of its own"
    )


def tag() -> TagRefused:
    return TagRefused("a tag is not possible in a recipe", expected="a plain value", fix="take the tag out")


def anchor(name: str) -> AnchorRefused:
    return AnchorRefused(
        f"the anchor &{name} is not possible in a recipe",
        expected="a plain value",
        fix="declare it under parameters and write ${name} where it is used",
    )


def alias(name: str) -> AnchorRefused:
    return AnchorRefused(
        f"the alias *{name} is not possible in a recipe",
        expected="a plain value; a glob that begins with '*' is quoted",
        fix=f'quote it: "*{name}", or use a parameter: ${{name}}',
    )


def merge_key() -> MergeKeyRefused:
    return MergeKeyRefused(
        "the merge key << is not possible in a recipe", expected="the keys themselves", fix="write the keys out"
    )


def duplicate_key(key: str, first: Span) -> DuplicateKey:
    return DuplicateKey(
        f"the key '{key}' is here twice",
        expected=f"one '{key}'; the first is on line {first.line}",
        fix="take one of them out",
    )


def key_not_text(key: Node) -> KeyNotText:
    if isinstance(key.content, tuple) or hasattr(key.content, "keys"):
        return KeyNotText("a key is a list or a map", expected="text as a key")
    shown = write_plain(key.content)
    if key.span.width == 0:
        return KeyNotText("a key is missing before ':'", expected="text as a key")
    return KeyNotText(f"the key {shown} is not text", expected="text as a key", fix=f'quote it: "{shown}"')
