"""Pieces of Markdown that GitHub renders. Whatever comes from a model or a recipe is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from surgery.errors import printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]|~:]|(?<=\bwww)\.|^\s*[-+#](?=\s)|^\s*\d+[.)](?=\s))", re.IGNORECASE)
_REPLACED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@\u200b"}
"""No entity, no HTML, no mention."""


def escape(text: str) -> str:
    """Text that renders as itself: no markup, no mention, no link, no HTML, no new line."""
    plain = "".join(_REPLACED.get(character, character) for character in printable(text))
    return _SPECIAL.sub(lambda found: found.group()[:-1] + "\\" + found.group()[-1], plain)


def code(text: str) -> str:
    """Text as inline code, whatever backticks it holds, and safe in a table."""
    plain = printable(text).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", plain)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def folded(summary: str, body: str) -> str:
    """A `<details>` block."""
    # Inside an HTML block nothing is Markdown, so a backslash would show.
    plain = "".join(_REPLACED.get(character, character) for character in printable(summary))
    return f"<details><summary>{plain}</summary>\n\n{body}\n\n</details>"
