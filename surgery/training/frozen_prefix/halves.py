"""A live model in two: the part that is computed once, and the part that a stage trains. Both share its layers and variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from surgery.model.spec import TensorRef
from surgery.planning.prefix import Prefix


@dataclass(frozen=True)
class Halves:
    """The two models. What training does to the tail it does to the whole model."""

    prefix: Any
    tail: Any


def halves(model: Any, prefix: Prefix) -> Halves:
    """Cuts a Functional or Sequential model where a plan says."""
    whole = getattr(model, "_functional", None) or model
    tensors = [_tensor(whole, ref) for ref in prefix.cut]
    cut = tensors[0] if len(tensors) == 1 else tensors
    # Keras makes inputs in place of tensors that are none, and calls the same layers on them (3.15).
    return Halves(keras.Model(whole.inputs, tensors), keras.Model(cut, whole._outputs_struct))


def _tensor(whole: Any, ref: TensorRef) -> Any:
    """The symbolic tensor; a layer may have calls that belong to other models."""
    ours = {id(node) for nodes in whole._nodes_by_depth.values() for node in nodes}
    operation = next(one for one in whole.operations if one.name == ref.layer)
    calls = [node for node in operation._inbound_nodes if id(node) in ours]
    return calls[ref.call].output_tensors[ref.output]
