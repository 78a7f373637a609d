"""A diff as Markdown that GitHub renders: summary, totals and a picture first, the rest folded.

A comment on GitHub holds 65,536 characters; what is longer is cut, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from surgery.model.changes import Diff
from surgery.reporting.diff_graph import diff_graph
from surgery.reporting.diff_lines import Row, rows, summary, totals, weight_cells
from surgery.reporting.markdown import code, escape, folded, markdown_table

SHOWN = 20
"""Rows before the rest is folded."""
FOLDED_CHARACTERS = 6_000
"""Characters of each folded table."""


def diff_markdown(diff: Diff, title: str = "Diff") -> str:
    """The whole diff for a pull request."""
    parts = [f"### {escape(title)}", escape(summary(diff))]
    if diff.identical:
        return "\n\n".join(parts) + "\n"
    parts.append(markdown_table(("", "before -> after"), [(word, escape(text)) for word, text in totals(diff)]))
    parts += _picture(diff)
    parts += _table("layers", ("", "layer", "change"), [_cells(row) for row in rows(diff)])
    weights = [tuple(_cell(text) for text in weight_cells(weight)) for weight in diff.weights]
    parts += _table("variables", ("layer", "variable", "shape", "", "how far"), weights, shown=0)
    return "\n\n".join(parts) + "\n"


def _picture(diff: Diff) -> list[str]:
    picture = diff_graph(diff)
    if picture is None:
        return []
    rest = [f"{picture.hidden} more changed layers are not drawn."] if picture.hidden else []
    return [f"```mermaid\n{picture.text}\n```", *rest]


def _cells(row: Row) -> tuple[str, str, str]:
    return f"`{row.sign}`", code(_short(row.path)), escape(_short(row.text, 300))


def _cell(text: str) -> str:
    return escape(_short(text))


def _short(text: str, longest: int = 120) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _table(what: str, head: Sequence[str], body: Sequence[Sequence[str]], shown: int = SHOWN) -> list[str]:
    """The first rows as a table, the rest folded, as far as there is room."""
    parts = [markdown_table(head, body[:shown])] if body[:shown] else []
    rest = body[shown:]
    if not rest:
        return parts
    fitting = _fitting(rest)
    left_out = f"\n\nand {len(rest) - len(fitting)} more: `surgery diff --json`" if len(fitting) < len(rest) else ""
    more = "more " if shown else ""
    return [*parts, folded(f"{len(rest)} {more}{what}", markdown_table(head, fitting) + left_out)]


def _fitting(body: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    found: list[Sequence[str]] = []
    room = FOLDED_CHARACTERS
    for row in body:
        room -= sum(len(cell) + 3 for cell in row)
        if room < 0:
            break
        found.append(row)
    return found
