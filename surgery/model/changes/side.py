"""One of the two models of a comparison: its spec, its values as far as there are any, the size of its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from surgery.model.archive import open_model
from surgery.model.changes.comparison import diff
from surgery.model.changes.difference import Diff
from surgery.model.fingerprint import Values
from surgery.model.proved import proved
from surgery.model.scan import checked
from surgery.model.spec import ModelSpec


@dataclass(frozen=True)
class Side:
    """A model as a comparison needs it."""

    spec: ModelSpec
    values: Values
    """The values of the variables, but for those that are not made yet."""
    fresh: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """What the values that are not made yet follow from, by layer path and key: the same text, the same values."""
    file_size: int | None = None
    """Bytes of the model's file; None when it is not written yet."""


@contextmanager
def open_side(path: Path, trust: tuple[str, ...] = ()) -> Iterator[Side]:
    """A saved model; its values stay in the file until they are compared.

    Raises:
        ModelUnsafe: when its scan does not accept it, with the classes of the trusted modules.
        FileMissing, FileUnreadable, ModelUnsupported, ModelInvalid: when it is none.
    """
    with checked(path, trust):
        spec, values = open_model(path)
        with values:
            yield Side(proved(spec, path.name, lenient=True), values, file_size=size_on_disk(path))


def compare(old: Side, new: Side) -> Diff:
    """What became of each layer of the old model, and what is new."""
    return diff(
        old.spec,
        new.spec,
        old.values,
        new.values,
        fresh=(old.fresh, new.fresh),
        file_size=(old.file_size, new.file_size),
    )


def size_on_disk(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
