"""What is different between two models, layer by layer: structure, config, trainability, weights. Without Keras."""

from surgery.model.changes.comparison import diff
from surgery.model.changes.difference import (
    ConfigChange,
    Diff,
    KeyChange,
    LayerEntry,
    Rename,
    Rewiring,
    Statistics,
    TrainabilityChange,
    VariableChange,
)

__all__ = [
    "ConfigChange",
    "Diff",
    "KeyChange",
    "LayerEntry",
    "Rename",
    "Rewiring",
    "Statistics",
    "TrainabilityChange",
    "VariableChange",
    "diff",
]
