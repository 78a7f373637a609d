"""Recurrent layers that begin with a given state: in Keras 1 and 2 it came in the list of inputs, now it has an argument."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from surgery.model.legacy.objects import Problems
from surgery.model.spec import Call, LayerSpec, ModelSpec, join_path, leaves

RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional"})


def keep_states(spec: ModelSpec, problems: Problems, inside: str = "") -> ModelSpec:
    """The model in which every recurrent layer begins as it did.

    Args:
        spec: A model of Keras 1 or 2.
        problems: Gets the layers that have constants, which no layer of Keras 3 takes.
        inside: The path of the model, where it is a nested one.
    """
    return replace(spec, layers=tuple(_layers(spec, problems, inside)))


def _layers(spec: ModelSpec, problems: Problems, inside: str) -> Iterator[LayerSpec]:
    for layer in spec.layers:
        path = join_path(inside, layer.name)
        if layer.inner:
            yield replace(layer, inner=keep_states(layer.inner, problems, path))
        elif layer.class_name in RECURRENT:
            if layer.config.get("num_constants") or any(
                any(leaves(call.kwargs.get("constants"))) for call in layer.calls
            ):
                problems.add(f"the constants of '{path}' ({layer.class_name})")
            calls = tuple(map(_call, layer.calls))
            yield replace(layer, calls=calls, build_config=_built(layer.build_config))
        else:
            yield layer


def _call(call: Call) -> Call:
    kwargs = {key: value for key, value in call.kwargs.items() if value is not None}
    match call.args:
        case ([sequence, *states],) if states:
            return replace(call, args=(sequence,), kwargs={**kwargs, "initial_state": states}, inputs=())
        case _:
            return replace(call, kwargs=kwargs)


def _built(config: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What it was built with: the shape of the sequence alone."""
    match config:
        case {"input_shape": [[*sequence], *_]}:
            return {"input_shape": sequence}
        case _:
            return config
