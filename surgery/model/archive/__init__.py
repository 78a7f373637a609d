"""A saved Keras model without Keras: reading its graph, reaching its weights, writing another one."""

from surgery.model.archive.reading import open_weights, read_assets, read_model
from surgery.model.archive.values import WeightValues

__all__ = ["WeightValues", "open_weights", "read_assets", "read_model"]
