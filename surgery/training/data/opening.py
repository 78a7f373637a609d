"""A declared source of data becomes examples, or a stream of batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgery.recipe.data import CsvData, FactoryData, ImageFolderData, NpzData
from surgery.training.data.csv import open_csv
from surgery.training.data.examples import Examples, Stream, Subset
from surgery.training.data.factory import open_factory
from surgery.training.data.image_folder import open_image_folder
from surgery.training.data.npz import open_npz
from surgery.training.data.order import permutation
from surgery.training.place import Place, at

Source = NpzData | CsvData | ImageFolderData | FactoryData


def open_data(source: Source, model: Any, place: Place) -> Examples | Stream:
    """The examples of a source, as this model takes them.

    Args:
        source: The source as the recipe declares it.
        model: The Keras model; its inputs decide dtype, image size and the order of several arrays.
        place: Where the source stands.

    Raises:
        FileMissing: The file or folder is not there.
        FileUnreadable: It is not what it should be.
        DataInvalid: A name is missing in it, or its parts do not belong together.
        UntrustedImport: A factory that nobody granted.
    """
    match source:
        case NpzData():
            return at(place.field, lambda: open_npz(source, model, place))
        case CsvData():
            return at(place.field, lambda: open_csv(source, model, place))
        case ImageFolderData():
            return at(place.field, lambda: open_image_folder(source, model, place))
        case FactoryData():
            return open_factory(source, model, place)


def split(whole: Examples, fraction: float, seed: int) -> tuple[Subset, Subset]:
    """Training and validation examples out of one source, chosen by the seed, each in stored order."""
    order = permutation(seed, "validation_split", 0, len(whole))
    count = min(max(1, round(fraction * len(whole))), len(whole) - 1)
    return Subset(whole, np.sort(order[count:])), Subset(whole, np.sort(order[:count]))
