"""`surgery review`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from surgery.cli.app import app
from surgery.cli.project import trust_of
from surgery.cli.reported import warn
from surgery.errors import SurgeryError, UsageError, raise_all, render

_Dry = Annotated[
    Path | None, typer.Option("--dry-run", metavar="FILE", help="Write the comment into a file, and post nothing.")
]
_Summary = Annotated[
    Path | None, typer.Option("--summary", metavar="FILE", help="Append the whole review to a file: the job's summary.")
]
_Base = Annotated[
    str | None,
    typer.Argument(
        metavar="[BASE]",
        help="A branch or commit: what the change is against. Default: that of the pull request's event.",
    ),
]


@app.command()
def review(
    base: _Base = None,
    post: Annotated[bool, typer.Option("--post", help="Leave one comment in the pull request, or update it.")] = False,
    dry_run: _Dry = None,
    summary: _Summary = None,
) -> None:
    """Review the recipes and models that a change in git touches: valid, planned, locked, compared. For pull requests.

    Nothing is imported and nothing is downloaded, whoever wrote the change; what the project trusts is read from BASE.

    Example: `surgery review main`
    """
    from surgery.cli.pull_request import event_commits
    from surgery.planning.review import base_of, merged_base
    from surgery.planning.review import review as made
    from surgery.planning.written import write_text
    from surgery.recipe.file import append_to
    from surgery.reporting.review_markdown import COMMENT, MARKER, SUMMARY, review_markdown, shown

    if post and dry_run:
        raise UsageError("--post and --dry-run exclude each other", expected="one of them", fix="leave one out")
    commit = merged_base(*event_commits(os.environ)) if base is None else base_of(base)
    found = shown(made(commit, _trust_at(commit)))
    comment = review_markdown(found, COMMENT)
    if summary is not None:
        append_to(summary, review_markdown(found, SUMMARY).encode("utf-8", "surrogateescape"))
    if dry_run is not None:
        write_text(dry_run, comment)
    elif post:
        _post(comment, MARKER)
    else:
        print(comment.removeprefix(f"{MARKER}\n"), end="")
    for one in found.recipes:
        for warning in one.warnings:
            warn(warning)
    raise_all(found.errors)


def _post(comment: str, marker: str) -> None:
    """Posts; a token that may only read, as a fork's has, is no failure: the summary of the job says the same."""
    from surgery.cli.pull_request import PullRequest
    from surgery.errors import ServiceFailed

    try:
        print(f"The comment is {PullRequest.of(os.environ).post(comment, marker)}.")
    except ServiceFailed as error:
        print(render(error), file=sys.stderr)
        print("There is no comment; the summary of the job has all of it.")


def _trust_at(commit: str) -> tuple[str, ...]:
    """What the project trusts, as it stood before the change."""
    from surgery.model.revision import Revision

    with tempfile.TemporaryDirectory(prefix="surgery-review-") as folder:
        revision = Revision(commit, Path.cwd(), Path(folder).resolve())
        try:
            file = revision.take("pyproject.toml") if revision.has("pyproject.toml") else None
            return trust_of(file) if file else ()
        except SurgeryError as error:
            print(render(error), file=sys.stderr)
            return ()
