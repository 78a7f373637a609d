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
from surgery.model.changes.side import Side, compare, open_side

__all__ = [
    "ConfigChange",
    "Diff",
    "KeyChange",
    "LayerEntry",
    "Rename",
    "Rewiring",
    "Side",
    "Statistics",
    "TrainabilityChange",
    "VariableChange",
    "compare",
    "diff",
    "open_side",
]
