"""Whether plain Keras loads and calls what is about to be written, where an older Keras wrote the source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from surgery.errors import ModelUnsupported, SurgeryError
from surgery.execution.build import build
from surgery.planning import Plan

BOLD = re.compile(r"\x1b\[\d*m")


def dry_load(plan: Plan, trust: Sequence[str] = ()) -> None:
    """Has Keras make the model of a plan out of its config, and call every layer of it on tensors without numbers.

    Args:
        plan: A plan whose source is a file of Keras 1 or 2.
        trust: Modules outside Keras that may be imported.

    Raises:
        ModelUnsupported: Keras does not.
    """
    try:
        model = build(plan, trust)
    except SurgeryError:
        raise
    except Exception as error:
        raise _refused(plan, "load", error) from error
    require_callable(plan, model)


def require_callable(plan: Plan, model: Any) -> None:
    """Calls a model on tensors without numbers: loading one asks some layers for their shapes alone.

    Raises:
        ModelUnsupported: a layer cannot be called.
    """
    import keras
    from keras.src.backend import compute_output_spec

    graph = getattr(model, "_functional", None) or model
    if isinstance(graph, keras.Sequential):  # one that was never built has no inputs
        return
    try:
        compute_output_spec(lambda inputs: graph(inputs, training=False), keras.tree.map_structure(_like, graph.input))
    except Exception as error:
        raise _refused(plan, "call", error) from error


def _like(tensor: Any) -> Any:
    import keras

    return keras.KerasTensor(tensor.shape, tensor.dtype)


def _refused(plan: Plan, verb: str, error: Exception) -> ModelUnsupported:
    lines = [line for line in BOLD.sub("", str(error)).splitlines() if line.strip()]
    # Keras' first line says which layer was called, the second one why that failed.
    reason = (
        " ".join(lines[: 2 if lines and lines[0].startswith("Exception encountered") else 1]) or type(error).__name__
    )
    return ModelUnsupported(
        f"{plan.source.described} was written by an older Keras, and Keras 3 cannot {verb} what would be written of it: {reason}",
        expected="layers that Keras 3 can load and call",
        fix="replace the layer that the message names in the Keras that wrote the file, and save it again",
    )
