"""Rows of a CSV file as arrays: numeric features, and a target that is a number or a class."""

from __future__ import annotations

from typing import Any

from surgery.recipe.data import CsvData
from surgery.training.data.csv_file import CsvFile, column_errors, features_of
from surgery.training.data.examples import ArrayExamples, Examples
from surgery.training.data.prepare import preparation
from surgery.training.place import Place, at, existing


def open_csv(source: CsvData, model: Any, place: Place) -> Examples:
    """The rows of a file as examples."""
    path = existing(place.folder / source.csv, (*place.field, "csv"))
    file = at((*place.field, "csv"), lambda: CsvFile(path, source.delimiter))
    for error in column_errors(path.name, file.columns, source):
        error.field = (*place.field, *error.field)
        raise error
    x, y = file.numbers(features_of(source, file.columns)), file.labels(source.target, source.class_names)
    prepare = preparation(source, None, model)
    return ArrayExamples((x,), (y,), ("features",), prepare).settled()
