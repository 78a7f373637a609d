"""Flags that a file holds and that Keras does not keep."""

from __future__ import annotations

from collections.abc import Iterator

from surgery.model.spec import ModelSpec
from surgery.operations.operation import listed

FORGETFUL = frozenset({
    "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GroupQueryAttention", "GroupedQueryAttention", "MultiHeadAttention",
})  # fmt: skip
"""Classes whose layers inside are made when they are built, and then train, whatever the flag in the file. Keras 3.15."""


def flag_notes(source: ModelSpec, result: ModelSpec) -> Iterator[str]:
    """Says which frozen layers train after all where Keras loads the result and nobody sets their flag again."""
    before = {path for path, layer in source.walk() if not layer.trainable}
    frozen = [
        (path, layer.class_name)
        for path, layer in result.walk()
        if layer.class_name in FORGETFUL and not layer.trainable and layer.weights and layer.origin not in before
    ]
    if frozen:
        names, classes = tuple(path for path, _ in frozen), " and ".join(sorted({kind for _, kind in frozen}))
        yield (
            f"Keras trains what a frozen {classes} holds once it has loaded the file: whoever trains the result elsewhere sets "
            f"trainable to True and back to False for {listed(names)}. Stages of a recipe keep to the flag."
        )
