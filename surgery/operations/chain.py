"""New layers in a row, as a recipe lists them, wired into a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from surgery.errors import GraphUnsupported, UnknownLayer
from surgery.model.configured import configured, snake_case
from surgery.model.draft import free_name
from surgery.model.keras_object import LayerObject, serialized
from surgery.model.nearest import did_you_mean
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef
from surgery.operations.operation import LIST_LAYERS

# These take their tensors as arguments of their own; every other layer with several inputs takes one list. Keras 3.15.
SEPARATE_ARGUMENTS = frozenset({"MultiHeadAttention", "GroupedQueryAttention", "GroupQueryAttention"})


@dataclass(frozen=True)
class Chain:
    """Layers in a row, called once for each tensor that it starts from; `ends` are the tensors at its other end."""

    layers: tuple[LayerSpec, ...]
    ends: tuple[TensorRef, ...]


def wire(
    model: ModelSpec,
    objects: Sequence[LayerObject],
    starts: Sequence[Call],
    *,
    field: str,
    freed: Iterable[str] = (),
    old: LayerSpec | None = None,
) -> Chain:
    """The new layers, named and wired.

    Args:
        model: The model that they go into.
        objects: The layers as the recipe writes them.
        starts: For each call of the chain, how its first layer is called.
        field: The recipe's key for the list, for errors.
        freed: Names that the same operation takes out of the model.
        old: The layer from which `inherit: true` takes its config.
    """
    taken = {name: None for name in model.by_name if name not in set(freed)}
    layers: list[LayerSpec] = []
    calls = tuple(starts)
    for index, layer in enumerate(objects):
        spec = _new_layer(layer, old)
        name = layer.name or _name(layer, old if len(objects) == 1 else None, taken)
        if layer.inputs is not None:
            known = set(taken) | {earlier.name for earlier in layers}
            calls = (_call(layer.class_name, _named(layer.inputs, known, (field, index))),)
        elif index:
            calls = tuple(_call(layer.class_name, [TensorRef(layers[-1].name, n)]) for n in range(len(calls)))
        layers.append(replace(spec, name=name, config={**spec.config, "name": name}, calls=calls))
        taken[name] = None
    return Chain(tuple(layers), tuple(TensorRef(layers[-1].name, n) for n in range(len(calls))))


def _name(layer: LayerObject, old: LayerSpec | None, taken: Mapping[str, Any]) -> str:
    """A layer in the place of one of its class keeps that name; any other is named as Keras would."""
    if old and (layer.inherit or layer.class_name == old.class_name) and old.name not in taken:
        return old.name
    return free_name(snake_case(layer.class_name), taken)


def after(refs: Iterable[TensorRef], first: LayerObject) -> tuple[Call, ...]:
    """The calls of a chain that starts from some tensors, one call for each."""
    return tuple(_call(first.class_name, [ref]) for ref in refs)


def _new_layer(layer: LayerObject, old: LayerSpec | None) -> LayerSpec:
    if layer.inherit:
        return _inherited(layer, old)
    document: Any = serialized(layer)
    return LayerSpec(
        name="",
        class_name=document["class_name"],
        module=document["module"],
        registered_name=document["registered_name"],
        config=document["config"],
    )


def _inherited(layer: LayerObject, old: LayerSpec | None) -> LayerSpec:
    """The old layer's config with the arguments that the recipe writes."""
    if old is None or old.class_name != layer.class_name:
        was = f"the layer in its place is a {old.class_name}" if old else "it does not replace one layer"
        raise GraphUnsupported(
            f"'{layer.class_name}' has nothing to inherit: {was}",
            expected="inherit: true on a layer that replaces one of the same class",
            fix="write the arguments out, or replace one layer at a time",
            field=("with",),
        )
    return replace(
        old,
        config=configured("layers", layer.key, layer.config, base=old.config),
        calls=(),
        weights=(),
        build_config=None,
        origin=None,
    )


def _call(class_name: str, refs: Sequence[TensorRef]) -> Call:
    if class_name in SEPARATE_ARGUMENTS:
        # One tensor attends to itself.
        return Call(args=tuple(refs) if len(refs) > 1 else (refs[0], refs[0]))
    return Call(args=(refs[0],) if len(refs) == 1 else (list(refs),))


def _named(names: Iterable[str], known: set[str], at: tuple[str | int, ...]) -> list[TensorRef]:
    return list(_refs(names, known, at))


def _refs(names: Iterable[str], known: set[str], at: tuple[str | int, ...]) -> Iterator[TensorRef]:
    for name in names:
        if name not in known:
            raise UnknownLayer(
                f"no layer is called '{name}'",
                expected="names of layers of this model, or of layers earlier in this list",
                fix=did_you_mean(name, known) or LIST_LAYERS,
                field=at,
            )
        yield TensorRef(name)
