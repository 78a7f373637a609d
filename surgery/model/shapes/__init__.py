"""Static shape rules: what Keras layers make of their inputs, and which variables they have, without Keras.

One file per family. A rule is a function from a `Site` to `Built`, registered with `@rule("ClassName", ...)`; the agreement
tests compare each with Keras itself.
"""

from __future__ import annotations

from surgery.model.shapes import (
    activation,
    applications,
    attention,
    categorical,
    convolution,
    core,
    image,
    merging,
    normalization,
    ops,
    ops_shape,
    pooling,
    recurrent,
    regularization,
    reshaping,
    signal,
    wrapping,
)
from surgery.model.shapes.rules import Built, Site, Variable, build_at, known_classes, rule_for
from surgery.model.spec import Call, LayerSpec, TensorSpec

__all__ = ["FAMILIES", "Built", "Variable", "build", "known_classes", "rule_for"]

FAMILIES = (
    activation,
    applications,
    attention,
    categorical,
    convolution,
    core,
    image,
    merging,
    normalization,
    ops,
    ops_shape,
    pooling,
    recurrent,
    regularization,
    reshaping,
    signal,
    wrapping,
)
"""The modules that register rules when they are imported."""


def build(layer: LayerSpec, inputs: tuple[TensorSpec, ...], call: Call) -> Built | None:
    """The outputs and variables of a layer that gets these tensors.

    Args:
        inputs: The tensors of `call.refs()`, in that order.

    Returns:
        None where the class, or this configuration of it, has no static rule: only Keras knows.

    Raises:
        ShapeMismatch: Keras would refuse these inputs.
    """
    return build_at(Site(layer, inputs, call))
