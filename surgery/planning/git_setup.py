"""What git is told so that it speaks of layers: attributes in the repository, drivers in its local configuration.

The attributes are committed and hold for everybody; the drivers name a program, so each clone is told for itself. Without
them git treats models and locks as it always did.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from surgery.errors import OutputRefused
from surgery.model.git import answer, ask
from surgery.planning.written import write_text

ATTRIBUTES = (
    "*.keras diff=surgery-model",
    "*.h5 diff=surgery-model",
    "*.hdf5 diff=surgery-model",
    "*.lock merge=surgery-lock",
)
SECTIONS = ("diff.surgery-model", "merge.surgery-lock")


def install(folder: Path) -> list[str]:
    """Sets up the repository of a folder; says what it changed, and nothing when all was as it should be.

    Raises:
        FileUnreadable: this is no repository.
        OutputRefused: its attributes are a link to another file.
    """
    return [*_configure(folder), *_add_attributes(_attributes_file(folder))]


def uninstall(folder: Path) -> list[str]:
    """Takes back what `install` did, and only that."""
    file = _attributes_file(folder)
    return [*_remove_sections(folder), *_remove_attributes(file)]


def settings() -> dict[str, str]:
    """The drivers, by git's names. Python is told to import nothing from the folder that it is started in."""
    program = f"{shlex.quote(sys.executable)} -P -m surgery git"
    return {
        "diff.surgery-model.command": f"{program} diff",
        "diff.surgery-model.textconv": f"{program} text",
        "diff.surgery-model.xfuncname": "^(layer|model) .*$",
        "merge.surgery-lock.name": "locks of surgery, fact by fact",
        "merge.surgery-lock.driver": f"{program} merge %O %A %B %P",
    }


def _configure(folder: Path) -> Iterator[str]:
    for name, value in settings().items():
        now = ask("config", "--local", "--get", name, folder=folder).stdout.decode(errors="replace").removesuffix("\n")
        if now != value:
            answer("config", "--local", name, value, folder=folder)
            yield f"git config {name} = {value}"


def _remove_sections(folder: Path) -> Iterator[str]:
    for section in SECTIONS:
        if ask("config", "--local", "--remove-section", section, folder=folder).returncode == 0:
            yield f"git config: removed {section}"


def _attributes_file(folder: Path) -> Path:
    path = Path(answer("rev-parse", "--show-toplevel", folder=folder)) / ".gitattributes"
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OutputRefused(f"'{path}' is no regular file", expected="a file of its own, as git itself asks for")
    return path


def _add_attributes(file: Path) -> Iterator[str]:
    lines = _lines(file)
    missing = [line for line in ATTRIBUTES if line not in lines]
    if missing:
        write_text(file, "".join(f"{line}\n" for line in [*lines, *missing]))
    yield from (f"{file.name}: added {line}" for line in missing)


def _remove_attributes(file: Path) -> Iterator[str]:
    lines = _lines(file)
    rest = [line for line in lines if line not in ATTRIBUTES]
    if rest == lines:
        return
    if rest:
        write_text(file, "".join(f"{line}\n" for line in rest))
    else:
        file.unlink()
    yield from (f"{file.name}: removed {line}" for line in lines if line in ATTRIBUTES)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if file.exists() else []
