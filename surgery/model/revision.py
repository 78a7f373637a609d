"""Files as git has them at a revision: `git:HEAD~1:models/base.keras`. They are put into a private folder.

Git is asked with a list of arguments, never through a shell, and gives what a checkout would give: with Git LFS, the model
and not its pointer.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from surgery.errors import FileMissing, FileUnreadable
from surgery.model.git import answer, ask, said

PREFIX = "git:"
POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class InRevision:
    """A file or folder of a revision. What holds one means git; a text may be the name of a file, whatever it looks like."""

    revision: str
    """As git understands it; empty for what is staged."""
    path: str
    """From the top of the repository, or with `./` from here."""

    def __str__(self) -> str:
        return f"{PREFIX}{self.revision}:{self.path}"


def in_revision(text: str | Path) -> InRevision | None:
    """What a text of the command line names in git; None for a file. A file that is there is meant before any revision.

    Raises:
        FileMissing: it begins like a revision, and names no file of one.
    """
    if isinstance(text, Path) or not text.startswith(PREFIX) or os.path.lexists(text):
        return None
    revision, colon, path = text.removeprefix(PREFIX).partition(":")
    if not colon or not path or revision.startswith("-"):
        raise FileMissing(
            f"'{text}' names no file of a revision", expected="git:REVISION:PATH", fix="write git:HEAD:PATH"
        )
    return InRevision(revision, path)


@contextmanager
def open_revision(named: InRevision) -> Iterator[tuple[Revision, str]]:
    """A revision, and the path in it from the top of the repository.

    The private folder is a workspace as the repository is one, so that a recipe may name what lies beside its own folder.

    Raises:
        FileUnreadable: this is no repository.
    """
    path, top = named.path, answer("rev-parse", "--show-toplevel")
    if path.startswith(("./", "../")):
        path = answer("rev-parse", "--show-prefix") + path
    with tempfile.TemporaryDirectory(prefix="surgery-git-") as folder:
        Path(folder, ".git").mkdir()
        yield Revision(named.revision, Path(top), Path(folder).resolve()), posixpath.normpath(path)


class Revision:
    """One revision of a repository.

    Args:
        name: As git understands it; empty for the index.
        top: The working tree.
        folder: Where files of the revision are put, under the paths that they have in the repository.
    """

    def __init__(self, name: str, top: Path, folder: Path) -> None:
        self.name, self.top, self.folder = name, top, folder

    def has(self, path: str) -> bool:
        """Whether the revision has a file or folder of this name."""
        return ask("cat-file", "-e", f"{self.name}:{path}").returncode == 0

    def take(self, path: str) -> Path:
        """Puts a file or a folder of the revision into the private folder, and says where it is.

        Raises:
            FileMissing: the revision does not have it.
            FileUnreadable: it is a pointer of Git LFS to something that is not here.
        """
        found = ask("cat-file", "-t", f"{self.name}:{path}")
        if found.returncode:
            raise FileMissing(
                f"git has no '{path}' at '{self.name or 'the index'}': {said(found)}",
                expected="git:REVISION:PATH, the path from the top of the repository",
                fix=f"list what is there: git ls-tree --name-only -r {self.name or 'HEAD'}",
            )
        if found.stdout.strip() == b"tree":
            listed = ask("ls-tree", "-r", "-z", "--name-only", "--full-tree", f"{self.name}:{path}").stdout
            for name in filter(None, listed.decode("utf-8", "surrogateescape").split("\0")):
                self._write(posixpath.join(path, name))
        else:
            self._write(path)
        return self.folder / path

    def _write(self, path: str) -> None:
        target = Path(os.path.normpath(self.folder / path))
        if not target.is_relative_to(self.folder):
            raise FileUnreadable(f"'{path}' lies outside of the repository", expected="a path inside it")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(self.folder):
            raise FileUnreadable(f"'{path}' lies behind a link out of the revision", expected="a path inside it")
        with target.open("wb") as file:
            done = ask("cat-file", "--filters", f"{self.name}:{path}", output=file.fileno())
        if done.returncode:
            raise FileUnreadable(f"git cannot give '{path}' at '{self.name or 'the index'}': {said(done)}")
        with target.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise FileUnreadable(
                    f"'{path}' at '{self.name or 'the index'}' is a pointer of Git LFS, and the file is not here",
                    expected="the model itself",
                    fix="git lfs install && git lfs fetch --all",
                )
