"""Where a source of data stands in the recipe, and what it may reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from surgery.errors import DataInvalid, FileMissing, FileUnreadable, SurgeryError
from surgery.model.nearest import did_you_mean
from surgery.training.data.examples import Array

T = TypeVar("T")

Field = tuple[str | int, ...]
"""The keys of a recipe down to a value."""


@dataclass(frozen=True, slots=True)
class Place:
    """What opening a source needs to know besides the source.

    Args:
        folder: What its paths are relative to.
        field: Its keys in the recipe: `("training", "data", "train")`.
        trust: The modules whose code may be imported.
    """

    folder: Path
    field: Field
    trust: Sequence[str] = ()


def existing(path: Path, field: Field, *, folder: bool = False) -> Path:
    """The path, if an ordinary file (or a folder) is there; a pipe or device is never opened.

    Raises:
        FileMissing: Nothing is there.
        FileUnreadable: Something else is there.
    """
    if not path.exists():
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else None
        raise FileMissing(f"{path} is not there", expected="a folder" if folder else "a file", fix=near, field=field)
    if not (path.is_dir() if folder else path.is_file()):
        raise FileUnreadable(
            f"{path} is {'a file' if path.is_file() else 'a folder' if path.is_dir() else 'no ordinary file'}",
            expected="a folder" if folder else "a file",
            field=field,
        )
    return path


def same_length(arrays: Mapping[str, Array], path: Path, field: Field) -> None:
    """Refuses arrays that differ in length, and those without an example."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataInvalid(
            f"the arrays of {path.name} differ in length: {listed}",
            expected="one entry for each example in every array",
            field=field,
        )
    if not any(lengths.values()):
        raise DataInvalid(f"{path.name} holds no examples", expected="at least one", field=field)


def at(field: Field, make: Callable[[], T]) -> T:
    """What `make` makes; an error of it that knows no place in the recipe gets this one."""
    try:
        return make()
    except SurgeryError as error:
        error.field = error.field or field
        raise
