"""New layers in a row, as a recipe lists them, wired into a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from surgery.errors import GraphUnsupported, SurgeryError, UnknownLayer
from surgery.model.calling import called_on, in_the_place_of, with_arguments
from surgery.model.configured import configured, snake_case
from surgery.model.draft import free_name
from surgery.model.edits import AddLayer, Edit, FeedInput
from surgery.model.keras_object import LayerObject, serialized
from surgery.model.nearest import did_you_mean
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef, split_path
from surgery.operations.operation import LIST_LAYERS

_TENSOR = re.compile(r"(.+)\[(\d+)\]\[(\d+)\]")
"""A tensor as plans print it: `encoder[1][0]` is the first output of the second call of `encoder`."""


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
    freed: Sequence[LayerSpec] = (),
) -> Chain:
    """The new layers, named and wired. Each layer reads the one before it, or those that its `inputs` name.

    Args:
        model: The model that they go into.
        objects: The layers as the recipe writes them.
        starts: The calls that the chain stands for. With several of them (a shared layer) each layer of the chain is called
            as often, but for those that read nothing that differs from call to call.
        field: The recipe's key for the list, for errors.
        freed: The layers that the same operation takes out of the model, in whose place the chain comes.
    """
    old = freed[0] if len(freed) == 1 else None
    sources = _Sources(model, objects, starts, frozenset(layer.name for layer in freed))
    taken = {name: None for name in model.by_name if name not in sources.freed}
    for index, layer in enumerate(objects):
        name = layer.name or _name(layer, old if len(objects) == 1 else None, taken)
        spec = replace(_new_layer(layer, old), name=name)
        calls = tuple(_calls(sources, layer, index, freed, field))
        spec = replace(spec, config={**spec.config, "name": name}, calls=calls)
        if layer.call:
            spec = replace(spec, calls=tuple(with_arguments(spec, layer.call)))
        sources.layers.append(spec)
        taken[name] = None
    return Chain(tuple(sources.layers), tuple(sources.made(sources.layers[-1], n)[0] for n in range(len(starts))))


def added(model: ModelSpec, inside: str, layers: Iterable[LayerSpec]) -> Iterator[Edit]:
    """The edits that put layers into a model; an input of a nested one is an input of each model around it, too."""
    taken: dict[str, set[str]] = {}
    for layer in layers:
        yield AddLayer(inside, layer)
        if layer.is_input:
            yield from _fed(model, inside, layer, taken)


def after(refs: Iterable[TensorRef]) -> tuple[Call, ...]:
    """The calls of a chain that starts from some tensors, one call for each."""
    return tuple(Call((ref,)) for ref in refs)


def _fed(model: ModelSpec, inside: str, layer: LayerSpec, taken: dict[str, set[str]]) -> Iterator[Edit]:
    """One more input around a nested model for each of its calls."""
    if not inside:
        return
    outer, name = split_path(inside)
    around = model.model_at(outer)
    names = taken.setdefault(outer, set(around.by_name))
    feeders = []
    for _ in around.by_name[name].calls:
        free = free_name(layer.name, dict.fromkeys(names))
        names.add(free)
        feeders.append(replace(layer, name=free, config={**layer.config, "name": free}))
        yield AddLayer(outer, feeders[-1])
    yield FeedInput(inside, tuple(TensorRef(feeder.name) for feeder in feeders), layer.name)
    for feeder in feeders:
        yield from _fed(model, outer, feeder, taken)


@dataclass
class _Sources:
    """What the layers of a chain can read: those before them in the chain, what the chain starts from, the model's."""

    model: ModelSpec
    objects: Sequence[LayerObject]
    starts: Sequence[Call]
    freed: frozenset[str]
    layers: list[LayerSpec] = field(default_factory=list)

    def made(self, layer: LayerSpec, number: int) -> tuple[TensorRef, bool]:
        """What a layer of the chain makes in one of the chain's calls, and whether that differs from call to call."""
        is_wide = len(layer.calls) > 1
        return TensorRef(layer.name, number if is_wide else 0), is_wide

    def named(self, text: str, number: int) -> tuple[TensorRef, bool]:
        """The tensor that a name stands for in one of the chain's calls, and whether that differs from call to call.

        Raises:
            UnknownLayer, GraphUnsupported: when it stands for none, or for several.
        """
        for layer in self.layers:
            if layer.name == text:
                return self.made(layer, number)
        near = {ref for ref in self.starts[number].refs() if ref.layer == text}
        if len(near) == 1:
            return near.pop(), len(self.starts) > 1
        if text in self.freed or text not in self.model.by_name:
            return self._tensor(text), False
        if (calls := len(self.model.by_name[text].calls)) > 1:
            raise GraphUnsupported(
                f"'{text}' is called {calls} times, and 'inputs' does not say which of its tensors is meant",
                expected="a layer that is called once, or one call of it",
                fix=f"write the first call: inputs: ['{text}[0][0]', ...]",
            )
        return TensorRef(text), False

    def _tensor(self, text: str) -> TensorRef:
        """A tensor written as plans print it."""
        match = _TENSOR.fullmatch(text)
        layer = self.model.by_name.get(match[1]) if match and match[1] not in self.freed else None
        if match is None or layer is None:
            raise self._unknown(text)
        ref = TensorRef(layer.name, int(match[2]), int(match[3]))
        if ref.call >= len(layer.calls) or ref.output >= max(1, len(layer.calls[ref.call].outputs)):
            raise UnknownLayer(
                f"'{layer.name}' makes no tensor '{text}'",
                expected=f"the number of one of its {len(layer.calls)} calls, and of an output, from 0 on",
                fix=f"for instance: '{layer.name}[0][0]'",
            )
        return ref

    def _unknown(self, name: str) -> SurgeryError:
        earlier = [layer.name for layer in self.layers]
        later = [layer.name for layer in self.objects[len(self.layers) :]]
        known = [*(known for known in self.model.by_name if known not in self.freed), *earlier]
        near = [str(ref) for call in self.starts for ref in call.refs() if ref.layer]
        if name in later:
            what = f"'{name}' reads itself" if later[0] == name else f"'{name}' comes later in this list"
            fix = "write it before the layer that reads it" if later[0] != name else "name what it reads"
        elif name in self.freed:
            what, fix = f"'{name}' goes with this operation", f"name what it reads: {', '.join(dict.fromkeys(near))}"
        else:
            what, fix = f"no layer is called '{name}'", did_you_mean(name, known) or LIST_LAYERS
        return UnknownLayer(what, expected="names of layers of this model, or of layers earlier in this list", fix=fix)


def _calls(sources: _Sources, layer: LayerObject, index: int, freed: Sequence[LayerSpec], field: str) -> Iterator[Call]:
    """The calls of one layer of a chain: one for each of the chain's, or one alone where all would be the same."""
    if layer.class_name == "InputLayer" and not layer.is_custom:
        if layer.inputs is not None:
            raise GraphUnsupported(
                "an Input reads nothing: it is one more input of the model",
                expected="Input: {shape: [...], name: ...}",
                fix="leave 'inputs' out",
                field=(field, index),
            )
        yield Call()
        return
    for number, start in enumerate(sources.starts):
        place = (field, index)
        if layer.inputs is None and not index:
            yield (
                in_the_place_of(freed[0], start, layer, place)
                if freed
                else called_on(layer, start.refs(), place, is_said=False)
            )
            continue
        try:
            read = (
                [sources.made(sources.layers[-1], number)]
                if layer.inputs is None
                else [sources.named(name, number) for name in layer.inputs]
            )
        except SurgeryError as error:
            error.field = place
            raise
        yield called_on(layer, [ref for ref, _ in read], place, is_said=layer.inputs is not None)
        if not any(differs for _, differs in read):
            return


def _name(layer: LayerObject, old: LayerSpec | None, taken: Mapping[str, Any]) -> str:
    """A layer in the place of one of its class keeps that name; any other is named as Keras would."""
    if old and (layer.inherit or layer.class_name == old.class_name) and old.name not in taken:
        return old.name
    return free_name(snake_case(layer.class_name), taken)


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
