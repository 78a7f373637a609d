"""`replace`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from surgery.errors import GraphUnsupported, ShapeMismatch
from surgery.model import shapes
from surgery.model.calling import told_calls
from surgery.model.edits import CarryWeights, Edit, Policy, Redirect, RemoveLayer, RenameLayer, UpdateConfig
from surgery.model.flow import flow
from surgery.model.graph import chains_into
from surgery.model.keras_object import LayerObject
from surgery.model.select import Selector
from surgery.model.spec import Call, LayerSpec, ModelSpec, Shape, TensorRef, TensorSpec, join_path, split_path
from surgery.operations.chain import Chain, added, wire
from surgery.operations.operation import Operation, Phase, inside_of, listed


class Replace(Operation):
    """Put other layers in the place of a layer or a chain, rewired; in the place of an input an `Input`, and layers after it.

    `inherit: true` on a new layer starts from the old layer's config. A layer in the place of one of its class keeps the
    name, unless it is given another. `weights` says what becomes of the old weights: `keep` copies them and refuses another
    shape, `overlap` copies the common corner and initializes the rest, `resample` interpolates kernels over their spatial axes
    and embeddings over their positions (`resample_grid` where the positions are a square grid, row by row), `fresh`
    initializes everything. Left out, they are kept where the class and every shape agree, and are fresh otherwise. Of
    two chains the layers of one name give their weights to one another, then those of one class, in order, the ones with the
    same shapes first; with `keep` no new layer may be left without. The plan says which layer gives its weights to which.

    Example:

    ```yaml
    - op: replace
      layers: predictions
      with:
        - Dense: {units: 10, activation: softmax, name: digits}
      weights: overlap
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["replace"]

    layers: Selector
    """A layer, or layers that form a chain."""

    with_: Annotated[list[LayerObject], Field(min_length=1, alias="with")]
    """The new layers, in a chain."""

    weights: Policy | None = None
    """What becomes of the old layers' weights: `keep`, `overlap`, `resample`, `resample_grid` or `fresh`."""

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        paths = self.targets(model)
        inside = inside_of(paths, "layers")
        inner = model.model_at(inside)
        old = self._chain(inner, tuple(split_path(path)[1] for path in paths))
        if old[0].is_input:
            yield from self._input(model, inside, old[0])
            return
        # A shared layer may feed itself: then the new ones do, too. A new layer may have the name of one that goes.
        itself = {
            TensorRef(old[-1].name, index, output): TensorRef("", index, output)
            for index, call in enumerate(old[-1].calls)
            for output in range(max(1, len(call.outputs)))
        }
        starts = tuple(call.map(itself) for call in old[0].calls)
        chain = wire(inner, self.with_, starts, field="with", freed=old)
        for layer in reversed(old):
            yield RemoveLayer(f"{inside}/{layer.name}" if inside else layer.name, told_calls(layer))
        change = {own: replace(chain.ends[own.call], output=own.output) for own in itself.values()}
        for before, own in itself.items():
            yield Redirect(inside, before, change[own])
        rewired = [replace(layer, calls=tuple(call.map(change) for call in layer.calls)) for layer in chain.layers]
        yield from added(model, inside, rewired)
        pairs, is_one = _pairs(inner, old, chain), len(old) == len(chain.layers) == 1
        for new in chain.layers:
            path, match = f"{inside}/{new.name}" if inside else new.name, pairs.get(new.name)
            if match is not None:
                giver = None if is_one or new.name == match.name else match.name
                yield CarryWeights(path, match.weights, self.weights, new.class_name == match.class_name, giver)
            elif self.weights == "keep":
                # Whether it has weights, which nothing gives it, is known once its shapes are.
                yield CarryWeights(path, (), self.weights, same_class=False)

    def _input(self, model: ModelSpec, inside: str, old: LayerSpec) -> Iterator[Edit]:
        """Another input in the place of one, and what comes between it and those who read it."""
        first, *others = self.with_
        if first.class_name != "InputLayer" or first.is_custom:
            raise GraphUnsupported(
                f"'{old.name}' is an input of the model, and {first.key} is none",
                expected="an Input, and the layers between it and those who read it",
                fix=f"begin with: - Input: {{shape: {flow(list(old.config['batch_shape'])[1:])}}}",
                field=("with",),
            )
        named = replace(first, config={**first.config, "name": first.name or old.name})
        chain = wire(model.model_at(inside), [named, *others], (Call(),), field="with", freed=(old,))
        new, *rest = chain.layers
        path = join_path(inside, old.name)
        changes = {key: value for key, value in new.config.items() if key != "name" and old.config.get(key) != value}
        if changes:
            yield UpdateConfig(path, changes)
        if new.name != old.name:
            yield RenameLayer(path, new.name)
        if rest:
            yield Redirect(inside, TensorRef(new.name), chain.ends[0])
        yield from added(model, inside, rest)
        if self.weights == "keep":
            yield from (CarryWeights(join_path(inside, layer.name), (), "keep", same_class=False) for layer in rest)

    def _chain(self, model: ModelSpec, names: tuple[str, ...]) -> tuple[LayerSpec, ...]:
        layers = tuple(model.by_name[name] for name in names)
        for first, second in pairwise(layers):
            if not chains_into(model, first, second):
                raise GraphUnsupported(
                    f"{listed(names)} are no chain: '{second.name}' does not simply follow '{first.name}'",
                    expected="one layer, or layers each of which feeds the next and nothing else",
                    fix="write one replace for each of them",
                    field=("layers",),
                )
        if len(layers) > 1 and any(layer.is_input for layer in layers):
            raise GraphUnsupported(
                f"{listed(names)} holds an input of the model",
                expected="layers that take an input, or the input alone",
                fix=f"write one replace for {listed(names[1:])}, and one for '{names[0]}' that begins with an Input",
                field=("layers",),
            )
        return layers


def _pairs(model: ModelSpec, old: tuple[LayerSpec, ...], chain: Chain) -> dict[str, LayerSpec]:
    """By the name of a new layer, the old one whose weights it takes: that of its name, else the next of its class.

    Of its class those come first whose variables have the same shapes.
    """
    giving = {layer.name: layer for layer in old if layer.weights}
    if len(old) == len(chain.layers) == 1:
        return {chain.layers[0].name: old[0]} if giving else {}
    pairs = {new.name: giving.pop(new.name) for new in chain.layers if new.name in giving}
    sizes = _sizes(model, chain)
    for need_sizes in (True, False):
        for new in chain.layers:
            alike = (layer for layer in giving.values() if layer.class_name == new.class_name)
            if need_sizes:
                alike = (layer for layer in alike if Counter(w.shape for w in layer.weights) == sizes.get(new.name))
            match = next(alike, None)
            if new.name not in pairs and match is not None:
                pairs[new.name] = giving.pop(match.name)
    return pairs


def _sizes(model: ModelSpec, chain: Chain) -> dict[str, Counter[Shape]]:
    """The shapes of the variables of the new layers, as far as static rules know them."""
    made: dict[TensorRef, TensorSpec] = {}
    found: dict[str, Counter[Shape]] = {}
    for layer in chain.layers:
        for index, call in enumerate(layer.calls):
            read = tuple(tensor for ref in call.refs() if (tensor := made.get(ref) or model.tensor(ref)))
            try:
                built = shapes.build(layer, read, call) if len(read) == len(call.refs()) else None
            except ShapeMismatch:  # which the proof of the whole tells
                built = None
            if built is not None:
                made |= {TensorRef(layer.name, index, n): tensor for n, tensor in enumerate(built.outputs)}
                found[layer.name] = Counter(variable.shape for variable in built.variables)
    return found
