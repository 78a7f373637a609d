"""A saved Keras model without Keras: reading its graph, reaching its weights, writing another one."""

from surgery.model.archive.members import read_member
from surgery.model.archive.reading import open_model, open_weights, read_assets, read_model
from surgery.model.archive.values import Values, WeightValues
from surgery.model.archive.writing import in_keras_order, write_archive

__all__ = [
    "Values",
    "WeightValues",
    "in_keras_order",
    "open_model",
    "open_weights",
    "read_assets",
    "read_member",
    "read_model",
    "write_archive",
]
