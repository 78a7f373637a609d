"""Rows of a CSV file as arrays: numeric features, and a target that is a number or a class."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from surgery.errors import DataInvalid, FileUnreadable
from surgery.model.nearest import did_you_mean
from surgery.recipe.data import CsvData
from surgery.training.data.examples import Array, ArrayExamples, Examples
from surgery.training.data.prepare import preparation
from surgery.training.place import Place, at, existing

LONGEST_LINE = 16 << 20
"""Bytes of a line: a million numbers."""


def open_csv(source: CsvData, model: Any, place: Place) -> Examples:
    """The rows of a file as examples."""
    path = existing(place.folder / source.csv, (*place.field, "csv"))
    file = at((*place.field, "csv"), lambda: CsvFile(path, source.delimiter))
    features = source.features or tuple(name for name in file.columns if name != source.target)
    for name, key in ((source.target, ("target",)), *((name, ("features", n)) for n, name in enumerate(features))):
        if name not in file.columns:
            raise DataInvalid(
                f"{path.name} has no column '{name}'",
                expected=f"one of {', '.join(file.columns)}",
                fix=did_you_mean(name, file.columns),
                field=(*place.field, *key),
            )
    x, y = file.numbers(features), file.labels(source.target, source.class_names)
    prepare = preparation(source, None, model)
    return ArrayExamples((x,), (y,), ("features",), prepare).settled()


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
