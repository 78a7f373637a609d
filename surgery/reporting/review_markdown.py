"""A review as one comment of a pull request: a table first, then each recipe and model folded. It fits, whatever it says.

GitHub takes 65,536 characters of a comment and 1 MiB of a job summary. What does not fit is told shorter, and then counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from surgery.errors import SurgeryError, render
from surgery.planning.review import Review, ReviewedModel, ReviewedRecipe
from surgery.reporting.diff_lines import summary, totals
from surgery.reporting.diff_markdown import diff_markdown
from surgery.reporting.markdown import code, escape, folded, markdown_table
from surgery.reporting.plan_markdown import plan_markdown

MARKER = "<!-- surgery review -->"
COMMENT = 60_000
"""Bytes, of which a comment has 65,536."""
SUMMARY = 1_000_000
MOST_ERRORS = 20
_SIGNS = {
    "added": "new",
    "changed": "changed",
    "removed": "removed",
    "affected": "unchanged, its lock or what it reads changed",
}
_LOCKS = {"none": "-", "holds": "holds", "drifted": "**drifted**", "unchecked": "not checked"}


def review_markdown(review: Review, limit: int = COMMENT) -> str:
    """The comment.

    Args:
        review: What was found.
        limit: How many bytes it may have.
    """
    head = f"{MARKER}\n## Model changes\n\n{_verdict(review)}"
    if not review.recipes and not review.models:
        return f"{head}\n"
    parts = [head, *_tables(review)]
    size = sum(_size(part) for part in parts) + 200
    left = 0
    for choices in [*map(_recipe, review.recipes), *map(_model, review.models)]:
        fitting = next((text for text in choices if size + _size(text) <= limit), None)
        if fitting is None:
            left += 1
            continue
        size += _size(fitting)
        parts.append(fitting)
    if left:
        parts.append(f"{left} more did not fit here; see the summary of the job.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _size(text: str) -> int:
    return len(text.encode()) + 2


def _verdict(review: Review) -> str:
    if not review.recipes and not review.models:
        return "This change touches no recipe and no model."
    errors = len(review.errors)
    if errors:
        return (
            f"**{errors} {'error' if errors == 1 else 'errors'}.** They are in the lists below, and beside their lines."
        )
    return "Everything is valid, can be planned, and agrees with its lock where it has one."


def _tables(review: Review) -> list[str]:
    tables = []
    if review.recipes:
        rows = [(code(one.path), _SIGNS[one.state], _validity(one), _LOCKS[one.lock]) for one in review.recipes[:100]]
        tables.append(markdown_table(("recipe", "", "plan", "lock"), rows))
    if review.models:
        models = [(code(one.path), _SIGNS[one.state], _said(one)) for one in review.models[:100]]
        tables.append(markdown_table(("model", "", "weights and layers"), models))
    return tables


def _validity(one: ReviewedRecipe) -> str:
    if one.state == "removed":
        return "-"
    return "ok" if one.plan else f"**{len(one.errors)} errors**" if len(one.errors) != 1 else "**1 error**"


def _said(one: ReviewedModel) -> str:
    if one.errors:
        return "**cannot be read**"
    return escape(summary(one.diff)) if one.diff else "-"


def _recipe(one: ReviewedRecipe) -> Sequence[str]:
    """A recipe at length, shorter, and as short as can be."""
    if one.state == "removed":
        return [""]
    title = f"### {code(one.path)}"
    told = [*_errors(one.errors), *(f"> {escape(note)}" for note in one.notes)]
    told += [f"> {escape(warning.what)}" for warning in one.warnings]
    plan = [folded("The plan", plan_markdown(one.plan))] if one.plan else []
    compared = "What it makes, against its source" if one.state == "added" else "What it makes, against before"
    if one.diff is None:
        return [_joined([title, *told, *plan]), _joined([title, *told])]
    brief = [escape(summary(one.diff)), _totals(one)]
    whole = diff_markdown(one.diff, compared)
    return [
        _joined([title, *told, whole, *plan]),
        _joined([title, *told, whole]),
        _joined([title, *told, *brief]),
        _joined([title, *brief]),
    ]


def _totals(one: ReviewedRecipe) -> str:
    if one.diff is None:
        return ""
    return markdown_table(("", "before -> after"), [(word, escape(text)) for word, text in totals(one.diff)])


def _model(one: ReviewedModel) -> Sequence[str]:
    if one.state == "removed" or (one.diff is None and not one.errors):
        return [""]
    title = f"### {code(one.path)}"
    if one.diff is None:
        return [_joined([title, *_errors(one.errors)]), title]
    return [_joined([title, diff_markdown(one.diff, "Against before")]), _joined([title, escape(summary(one.diff))])]


def _errors(errors: Sequence[SurgeryError]) -> Iterable[str]:
    if errors:
        text = "\n\n".join(render(error) for error in errors[:MOST_ERRORS])
        yield _fenced(text)
        if len(errors) > MOST_ERRORS:
            yield f"and {len(errors) - MOST_ERRORS} more"


def _fenced(text: str) -> str:
    """Text in a code block that nothing in it can close."""
    fence = "`" * 3
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part.rstrip("\n") for part in parts if part)
