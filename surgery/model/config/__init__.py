"""`config.json` of Keras 3 <-> ModelSpec."""

from surgery.model.config.reading import from_config
from surgery.model.config.writing import to_config

__all__ = ["from_config", "to_config"]
