"""A CSV file whose first line names the columns: numbers and labels of it, and what is wrong with its beginning."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from surgery.errors import DataInvalid, FileUnreadable, SurgeryError
from surgery.model.nearest import did_you_mean
from surgery.recipe.data import CsvData
from surgery.training.data.examples import Array

LONGEST_LINE = 16 << 20
"""Bytes of a line: a million numbers."""
BEGINNING = 1 << 18
"""Bytes that are looked at where nothing else is read."""


def features_of(source: CsvData, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that go into the model."""
    return source.features or tuple(name for name in columns if name != source.target)


def column_errors(file: str, columns: tuple[str, ...], source: CsvData) -> Iterator[SurgeryError]:
    """Columns that a source names and the file has not, each with its place below the source."""
    named = ((name, ("features", number)) for number, name in enumerate(features_of(source, columns)))
    for name, key in ((source.target, ("target",)), *named):
        if name not in columns:
            yield DataInvalid(
                f"{file} has no column '{name}'",
                expected=f"one of {', '.join(columns)}",
                fix=did_you_mean(name, columns),
                field=key,
            )


def beginning(path: Path, delimiter: str) -> tuple[tuple[str, ...], list[list[str]]]:
    """The names of the columns and the first rows, whatever the size of the file.

    Raises:
        FileUnreadable: It is not text, or has no rows.
    """
    with path.open("rb") as file:
        raw = file.read(BEGINNING)
        is_whole = not file.read(1)
    try:
        if not is_whole:
            raw = raw[: raw.rfind(b"\n") + 1] or raw.decode("utf-8-sig", "ignore").encode()
        text = raw.decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileUnreadable(f"{path.name} is no CSV file: {error}", expected="text in UTF-8") from error
    if is_whole and len(rows) < 2:
        raise FileUnreadable(f"{path.name} has no rows", expected="a line of column names, then rows")
    return tuple(name.strip() for name in (rows or [[]])[0]), rows[1:]


def text_error(path: Path, columns: tuple[str, ...], rows: list[list[str]], source: CsvData) -> SurgeryError | None:
    """The first cell of a feature that is no number, in the first rows."""
    features = features_of(source, columns)
    for number, row in enumerate(rows, 2):
        if wrong := _wrong_cell(row, columns, features):
            return _no_number(f"{path.name}, line {number}: {wrong}", columns, row, source)
    return None


def _no_number(what: str, columns: tuple[str, ...], row: list[str], source: CsvData) -> DataInvalid:
    numeric = [n for n, cell in zip(columns, row, strict=False) if n != source.target and _is_number(cell)]
    fits = len(row) == len(columns) and 0 < len(numeric) < len(columns) - 1
    return DataInvalid(
        what,
        expected="a number in every feature column",
        fix=f"features: [{', '.join(numeric)}]" if fits else "name the numeric columns: features: [...]",
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


class CsvFile:
    """A CSV file whose first line names the columns.

    Raises:
        FileUnreadable: It is not text, or has no rows.
    """

    def __init__(self, path: Path, delimiter: str) -> None:
        self.path, self.delimiter = path, delimiter
        _check_lines(path)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.reader(file, delimiter=delimiter)
                self.columns = tuple(name.strip() for name in next(rows, ()))
                if next(rows, None) is None:
                    raise FileUnreadable(f"{path.name} has no rows", expected="a line of column names, then rows")
        except (UnicodeDecodeError, csv.Error) as error:
            raise FileUnreadable(f"{path.name} is no CSV file: {error}", expected="text in UTF-8") from error

    def numbers(self, columns: tuple[str, ...]) -> Array:
        """These columns as float32, one row of the result for each row of the file.

        Raises:
            DataInvalid: A cell is no number; says which.
        """
        return self._load(columns, np.dtype("float32")).reshape(-1, len(columns))

    def labels(self, column: str, class_names: tuple[str, ...] | None) -> Array:
        """A column as class indices where it holds text or whole numbers, as float32 where it holds other numbers.

        Raises:
            DataInvalid: `class_names` lacks a label.
        """
        # As texts of their own: an array of strings has room for the longest of them in every row.
        text = [cell.strip() for cell in self._load((column,), np.dtype(object)).reshape(-1).tolist()]
        if class_names is None:
            try:
                values = np.array([float(cell) for cell in text], "float64")
            except ValueError:
                class_names = tuple(sorted(set(text)))
                return np.array([*map({name: n for n, name in enumerate(class_names)}.get, text)], dtype="int64")
            return values.astype("int64" if np.all(values == np.floor(values)) else "float32")
        index = {name: number for number, name in enumerate(class_names)}
        if unknown := sorted(set(text) - index.keys()):
            raise DataInvalid(
                f"column '{column}' of {self.path.name} has the label '{unknown[0][:80]}', which class_names lacks",
                expected=f"one of {', '.join(class_names)}",
                fix=f"class_names: [{', '.join((*class_names, unknown[0]))}]",
            )
        return np.array([index[name] for name in text], dtype="int64")

    def _load(self, columns: tuple[str, ...], dtype: np.dtype[Any]) -> Array:
        try:
            return np.loadtxt(
                self.path,
                dtype=dtype,
                delimiter=self.delimiter,
                skiprows=1,
                usecols=[self.columns.index(name) for name in columns],
                quotechar='"',
                comments=None,
                encoding="utf-8-sig",
                ndmin=2,
            )
        except ValueError as error:
            try:
                raise self._first_wrong(columns if dtype.kind == "f" else ()) from error
            except (UnicodeDecodeError, csv.Error) as error:
                raise FileUnreadable(f"{self.path.name} is no CSV file: {error}", expected="text in UTF-8") from error

    def _first_wrong(self, columns: tuple[str, ...]) -> DataInvalid:
        """The first row of another length, or cell of these columns that is no number."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter=self.delimiter)
            next(rows)
            for row in filter(None, rows):
                if wrong := _wrong_cell(row, self.columns, columns):
                    return DataInvalid(
                        f"{self.path.name}, line {rows.line_num}: {wrong}",
                        expected="a number in every feature column",
                        fix="name the numeric columns: features: [...]",
                    )
        return DataInvalid(f"{self.path.name} does not hold numbers alone", expected="a number in every feature column")


def _check_lines(path: Path) -> None:
    """Refuses a line that would fill memory before anything could be said of it.

    Raises:
        FileUnreadable: a line of more than `LONGEST_LINE` bytes.
    """
    with path.open("rb") as file:
        number = 1
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise FileUnreadable(
                    f"{path.name}, line {number} is longer than {LONGEST_LINE >> 20} MiB",
                    expected="a row of numbers and labels on each line",
                    fix="save wide rows as arrays in an .npz file: numpy.savez",
                )
            number += 1


def _wrong_cell(row: list[str], header: tuple[str, ...], columns: tuple[str, ...]) -> str | None:
    if len(row) != len(header):
        return f"{len(row)} cells, and {len(header)} columns"
    for name in columns:
        cell = row[header.index(name)]
        try:
            float(cell)
        except ValueError:
            return f"'{cell[:80]}' in column '{name}' is no number" if cell.strip() else f"column '{name}' is empty"
    return None
