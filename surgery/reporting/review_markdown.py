"""A review as one comment of a pull request: a table first, then each recipe and model folded. It fits, whatever it says.

GitHub takes 65,536 characters of a comment and 1 MiB of a job summary. What does not fit is told shorter, and then counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from surgery.errors import FileUnreadable, SurgeryError, render
from surgery.planning.review import Review, ReviewedFile, ReviewedModel, ReviewedRecipe, Summary, unreadable
from surgery.reporting.diff_lines import summary, totals
from surgery.reporting.diff_markdown import diff_markdown
from surgery.reporting.markdown import code, escape, folded, markdown_table
from surgery.reporting.plan_markdown import plan_markdown

MARKER = "<!-- surgery review -->"
COMMENT = 60_000
"""Bytes, of which a comment has 65,536."""
SUMMARY = 1_000_000
MOST_ERRORS = 20
LONGEST_NAME = 200
MOST_LAYERS = 200
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
    head = f"## Model changes\n\n{_verdict(review)}"
    parts = [*_granted(review.grants, limit // 3), head, *_tables(review, limit // 3)]
    size = sum(_size(part) for part in parts) + 200
    left = 0
    for choices in [*map(_recipe, review.recipes), *map(_model, review.models), *map(_file, review.files)]:
        fitting = next((text for text in choices if size + _size(text) <= limit), None)
        if fitting is None:
            left += 1
            continue
        size += _size(fitting)
        parts.append(fitting)
    if left:
        parts.append(f"{left} more did not fit here; see the summary of the job.")
    return f"{MARKER}\n" + "\n\n".join(part for part in parts if part) + "\n"


def shown(review: Review) -> Review:
    """The review as it can be written down: of what cannot, an error of that file is all that is left."""
    recipes = (_shown(one, replace(one, plan=None, diff=None, warnings=()), _recipe) for one in review.recipes)
    models = (_shown(one, replace(one, diff=None, summary=None), _model) for one in review.models)
    return replace(review, recipes=tuple(recipes), models=tuple(models))


Part = TypeVar("Part", ReviewedRecipe, ReviewedModel)


def _shown(one: Part, bare: Part, write: Callable[[Part], Sequence[str]]) -> Part:
    try:
        for text in write(one):
            text.encode()
        _tables(Review("", (one,)) if isinstance(one, ReviewedRecipe) else Review("", (), (one,)), 0)
    except Exception as error:  # noqa: BLE001 - whatever is in the file, the others are told of
        return replace(bare, errors=(*one.errors, unreadable(one.path, error)))
    return one


def _granted(grants: Sequence[str], room: int) -> list[str]:
    """What the change grants, before everything else."""
    if not grants:
        return []
    lines, left = _fitting([f"- **{escape(grant[:400])}**" for grant in grants], room)
    more = [f"- and {left} more; see the summary of the job"] if left else []
    return ["## What this change grants\n\n" + "\n".join([*lines, *more])]


def _fitting(texts: Sequence[str], room: int) -> tuple[list[str], int]:
    """As many of the texts as there is room for, and how many are left."""
    taken = 0
    for index, text in enumerate(texts):
        taken += _size(text)
        if taken > room:
            return list(texts[:index]), len(texts) - index
    return list(texts), 0


def _size(text: str) -> int:
    return len(text.encode()) + 2


def _verdict(review: Review) -> str:
    if review.is_empty:
        return "This change touches no recipe and no model."
    errors = len(review.errors)
    if errors:
        return (
            f"**{errors} {'error' if errors == 1 else 'errors'}.** They are in the lists below, and beside their lines."
        )
    if not review.recipes and not review.models:
        return "What it grants is said above."
    return "Everything is valid, can be planned, and agrees with its lock where it has one."


def _tables(review: Review, room: int) -> list[str]:
    recipes = [(one, (_name(one.path), _SIGNS[one.state], _validity(one), _LOCKS[one.lock])) for one in review.recipes]
    models = [(one, (_name(one.path), _SIGNS[one.state], _said(one))) for one in review.models]
    files = [(one, (_name(one.path), _SIGNS[one.state], "**refused**")) for one in review.files]
    tables = [
        _table(("recipe", "", "plan", "lock"), recipes, room),
        _table(("model", "", "weights and layers"), models, room),
        _table(("file", "", ""), files, room),
    ]
    return [table for table in tables if table]


def _table(
    head: Sequence[str],
    rows: Sequence[tuple[ReviewedRecipe | ReviewedModel | ReviewedFile, Sequence[str]]],
    room: int,
) -> str:
    """The rows that there is room for; where there is not enough, what is wrong goes first."""
    if not rows:
        return ""
    if sum(_size(" | ".join(row)) for _, row in rows) > room // 3:
        rows = sorted(rows, key=lambda row: not row[0].errors)
    _, left = _fitting([" | ".join(row) for _, row in rows], room // 3)
    told = markdown_table(head, [row for _, row in rows[: len(rows) - left]])
    return f"{told}\n\nand {left} more" if left else told


def _name(path: str) -> str:
    """A path as code; of a huge one the beginning and the end."""
    half = LONGEST_NAME // 2
    return code(path if len(path) <= LONGEST_NAME else f"{path[:half]}...{path[-half:]}")


def _validity(one: ReviewedRecipe) -> str:
    if one.state == "removed" and not one.errors:
        return "-"
    if one.plan:
        return "ok" if one.diff else "ok, **not compared**"
    count = f"**{len(one.errors)} errors**" if len(one.errors) != 1 else "**1 error**"
    return (
        f"**could not be read**, {count}" if any(isinstance(error, FileUnreadable) for error in one.errors) else count
    )


def _said(one: ReviewedModel) -> str:
    if one.errors:
        return f"**could not be read** ({one.errors[0].code()})"
    if one.summary:
        return f"{_counted(one.summary)}; {_origin(one.summary)}"
    return escape(summary(one.diff)) if one.diff else "-"


def _counted(model: Summary) -> str:
    counts = f"{len(model.layers):,} layers, {model.parameters:,} parameters ({model.trainable_parameters:,} trainable)"
    return f"{counts}, {len(model.custom)} custom classes" if model.custom else counts


def _origin(model: Summary) -> str:
    if not model.origin:
        return "comes with this change, from no recipe"
    return f"says that it was made by {escape(model.origin[-1][:LONGEST_NAME])}"


def _recipe(one: ReviewedRecipe) -> Sequence[str]:
    """A recipe at length, shorter, and as short as can be."""
    if one.state == "removed" and not one.errors:
        return [""]
    title = f"### {_name(one.path)}"
    told = [*_errors(one.errors), *(f"> {escape(note)}" for note in one.notes)]
    told += [f"> {escape(warning.what)}" for warning in one.warnings]
    plan = [folded("The plan", plan_markdown(one.plan))] if one.plan else []
    compared = f"What it makes, against {one.against}"
    if one.diff is None:
        return [_joined([title, *told, *plan]), _joined([title, *told]), title]
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
    title = f"### {_name(one.path)}"
    if one.errors:
        return [_joined([title, *_errors(one.errors)]), title]
    if one.diff is not None:
        return [
            _joined([title, diff_markdown(one.diff, "Against before")]),
            _joined([title, escape(summary(one.diff))]),
        ]
    if one.summary is None:
        return [""]
    brief = _joined([title, f"{_counted(one.summary)}; {_origin(one.summary)}"])
    return [_joined([brief, *_whole(one.summary)]), brief]


def _whole(model: Summary) -> Iterable[str]:
    """A model that nothing is compared with: where it says it comes from, what is not Keras' own, its layers."""
    if model.origin:
        yield "\n".join(f"{number}. {escape(past[:LONGEST_NAME])}" for number, past in enumerate(model.origin, 1))
    if model.custom:
        yield "Custom classes: " + ", ".join(_name(one) for one in model.custom)
    rows = [(_name(name), escape(kind), f"{count:,}") for name, kind, count in model.layers[:MOST_LAYERS]]
    more = f"\n\nand {len(model.layers) - MOST_LAYERS} more" if len(model.layers) > MOST_LAYERS else ""
    yield folded("All layers", markdown_table(("layer", "class", "parameters"), rows) + more)


def _file(one: ReviewedFile) -> Sequence[str]:
    title = f"### {_name(one.path)}"
    return [_joined([title, *_errors(one.errors)]), title]


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
