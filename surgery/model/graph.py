"""Questions about a model's wiring: who reads a tensor, what an output needs, is it a chain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from surgery.model.order import keras_order
from surgery.model.spec import LayerSpec, ModelSpec, TensorRef

FUNCTIONAL = "Functional"


def readers(model: ModelSpec, name: str) -> tuple[str, ...]:
    """The layers that read any tensor of a layer, in order."""
    return model.readers.get(name, ())


def needed_for(model: ModelSpec, outputs: Iterable[TensorRef]) -> set[str]:
    """The layers that the outputs cannot do without, and the model's inputs among them."""
    needed: set[str] = set()
    todo = [ref.layer for ref in outputs]
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += model.by_name[name].inbound
    return needed


def is_chain(layers: Iterable[LayerSpec]) -> bool:
    """Whether each layer is called once, on the tensor of the layer before it alone, as in a Sequential."""
    before: LayerSpec | None = None
    for layer in layers:
        refs = [ref for call in layer.calls for ref in call.refs()]
        if len(layer.calls) != 1 or refs != ([TensorRef(before.name)] if before else []) or not layer.is_layer:
            return False
        before = layer
    return True


def sorted_by_keras(model: ModelSpec) -> ModelSpec:
    """The layers in Keras' order of operations."""
    if model.inputs is None:
        return model
    order = keras_order(model.layers, model.inputs, model.outputs)
    # A layer on no way to an output is not in Keras' order; whoever made it so hears of it when the edits are done.
    idle = dict.fromkeys(layer.name for layer in model.layers)
    for name in order:
        idle.pop(name, None)
    return replace(model, layers=tuple(model.by_name[name] for name in (*order, *idle)))


def as_graph(model: ModelSpec, before: ModelSpec | None = None) -> ModelSpec:
    """A Sequential that is no chain of one tensor any more as a Functional; nested ones, too.

    Args:
        model: The model, its shapes proved.
        before: The model that it was. A Sequential that ended in a layer of several outputs stays: it has them all.
    """
    changed: dict[str, LayerSpec] = {}
    for layer in model.layers:
        if layer.inner:
            old = before.by_name.get(layer.name) if before else None
            inner = as_graph(layer.inner, old.inner if old else None)
            changed |= {} if inner is layer.inner else {layer.name: _with_inner(layer, inner)}
    if changed:
        model = replace(model, layers=tuple(changed.get(layer.name, layer) for layer in model.layers))
    if model.class_name != "Sequential" or model.inputs is None:
        return model
    if _is_sequence(model) and (_ends_in_one(model) or (before is not None and not _ends_in_one(before))):
        return model
    return replace(model, class_name=FUNCTIONAL, module="keras.src.models.functional", registered_name=FUNCTIONAL)


def _ends_in_one(model: ModelSpec) -> bool:
    return len(model.layers[-1].outputs) < 2


def _with_inner(layer: LayerSpec, inner: ModelSpec) -> LayerSpec:
    """A nested model with other layers, and of another class where they are no sequence any more."""
    layer = replace(layer, inner=inner)
    if layer.class_name != "Sequential" or inner.class_name == "Sequential":
        return layer
    return replace(layer, class_name=inner.class_name, module=inner.module, registered_name=inner.registered_name)


def _is_sequence(model: ModelSpec) -> bool:
    """Whether a Sequential can say it all: one tensor from layer to layer, and no arguments beside it."""
    calls = [call for layer in model.layers for call in layer.calls]
    if any(call.kwargs or len(call.args) > 1 for call in calls) or any(len(call.outputs) > 1 for call in calls[:-1]):
        return False
    return is_chain(model.layers) and model.outputs == TensorRef(model.layers[-1].name)


def chains_into(model: ModelSpec, first: LayerSpec, second: LayerSpec) -> bool:
    """Whether the second layer reads the first and nothing else, and nobody else reads the first, call by call."""
    if len(first.calls) != len(second.calls):
        return False
    for index, call in enumerate(second.calls):
        if call.refs() != (TensorRef(first.name, index),):
            return False
    is_output = any(ref.layer == first.name for ref in model.refs_out())
    return not is_output and readers(model, first.name) == (second.name,)
