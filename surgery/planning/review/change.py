"""What a change consists of, as git tells: the commit that it is against, and every path that it touches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from surgery.errors import FileUnreadable, UsageError
from surgery.model.git import ask, said

LINK, SUBMODULE, NOTHING = "120000", "160000", "000000"


@dataclass(frozen=True)
class ChangedPath:
    """One path of a change. Modes are git's: a regular file, a link, a submodule, or nothing."""

    path: str
    old: str
    new: str

    @property
    def state(self) -> str:
        """added, changed or removed; what was a link or a submodule is no file to compare with."""
        if self.new == NOTHING:
            return "removed"
        return "added" if self.old in (NOTHING, LINK, SUBMODULE) else "changed"

    @property
    def kind(self) -> str | None:
        """What it is when it is no file."""
        return {LINK: "a symbolic link", SUBMODULE: "a submodule"}.get(self.new)


def changed(base: str) -> Iterator[ChangedPath]:
    """Every path whose content or kind differs between a commit and the working tree.

    Options come before anything that the change itself says: a `.gitmodules` in it could hide submodules.
    """
    options = ("--raw", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-abbrev", "--no-relative", "-O/dev/null")
    told = _git("diff", *options, "--ignore-submodules=dirty", "-z", base, "--").split("\0")
    found: dict[str, ChangedPath] = {}
    for head, path in zip(told[::2], told[1::2], strict=False):
        old, new = head.removeprefix(":").split(" ")[:2]
        found[path] = ChangedPath(path, old, new)
    yield from found.values()


def tracked() -> list[str]:
    """Every path in the index."""
    return [path for path in _git("ls-files", "-z").split("\0") if path]


def paths_at(base: str) -> list[str]:
    """Every path of a commit."""
    return [path for path in _git("ls-tree", "-r", "-z", "--name-only", "--full-tree", base).split("\0") if path]


def base_of(revision: str) -> str:
    """The commit where the working tree left a branch.

    A shallow clone has too little history to know it, and a criss-cross merge has several: then it is the branch itself, so
    that nothing of the change is hidden.

    Raises:
        FileUnreadable: this is no repository, or has no such revision.
        UsageError: this is not its top.
    """
    _require_top()
    if revision.startswith("-"):
        raise UsageError(f"'{revision}' is no revision", expected="a branch or commit", fix="surgery review main")
    commit = _git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()
    if _git("rev-parse", "--is-shallow-repository").strip() == "true":
        return commit
    found = ask("merge-base", "--all", commit, "HEAD").stdout.decode().split()
    return found[0] if len(found) == 1 else commit


def merged_base(base: str, head: str) -> str:
    """The commit that a pull request is against, for the base and the head that its event names.

    A checkout of the merge that GitHub made has the event's head as its second parent, and nobody but who merges can make such
    a commit: a commit is no parent of itself. Then the first parent is the branch that it was merged into, as it was then. Any
    other merge is the author's own, and its parents say nothing. Without an event a merge is what was merged here.

    Args:
        base: The tip of the branch, when the event began; empty without an event.
        head: What is to be merged into it.
    """
    second = ask("rev-parse", "--quiet", "--verify", "HEAD^2^{commit}").stdout.decode().strip()
    if second and (second == head or not base):
        _require_top()
        return _git("rev-parse", "--verify", "HEAD^1^{commit}").strip()
    if not base:
        raise UsageError("there is no base to compare with", expected="a branch or commit", fix="surgery review main")
    return base_of(base)


def _require_top() -> None:
    if _git("rev-parse", "--show-prefix").strip():
        top = _git("rev-parse", "--show-toplevel").strip()
        raise UsageError("a review begins at the top of the repository", expected=top, fix=f"cd {top}")


def _git(*arguments: str) -> str:
    done = ask(*arguments)
    if done.returncode:
        expected = "a git repository, and a revision in it"
        raise FileUnreadable(f"git says: {said(done)}", expected=expected, fix="git fetch origin")
    return done.stdout.decode("utf-8", "surrogateescape")
