"""Follows channels through a model: from the layers that make them to every variable that has an axis for them.

A layer that makes channels (Dense, a convolution, Embedding, an InputLayer) has a space of them. Every tensor has a layout, the
channels along one of its axes; layers pass layouts on, repeat them, put them side by side or join them. Where a layer does
something that is not known, its channels are fixed, with the reason. Nothing here guesses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from surgery.errors import GraphUnsupported
from surgery.model.channels.atoms import Atoms, Joins, Layout, config_with
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef, join_path


@dataclass
class Flow:
    """What was found."""

    spaces: dict[str, Atoms] = field(default_factory=dict)
    """The channels that each layer makes, by its path; those of a layer that is not understood by its path and `#`."""
    uses: dict[tuple[str, str], dict[int, Atoms]] = field(default_factory=dict)
    """The channels along axes of variables, by path and key."""
    made: dict[tuple[str, str], int] = field(default_factory=dict)
    """Which axis of a variable makes the layer's own channels, by path and key."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Constructor arguments that follow from numbers of channels, by path."""
    joins: Joins = field(default_factory=Joins)
    ends: Joins = field(default_factory=Joins)
    """Why channels are seen from outside: inputs and outputs of the model."""
    total: int = 0

    def fixed(self, *, ends: bool) -> Mapping[int, str]:
        """Why channels cannot be changed, by root; with `ends` those that are seen from outside, too."""
        seen = {self.joins.root(atom): reason for atom, reason in self.ends.reasons().items()} if ends else {}
        return {**seen, **self.joins.reasons()}


@dataclass
class Site:
    """One call of a layer, the layouts that come in, and what its rule says about them."""

    flow: Flow
    path: str
    layer: LayerSpec
    call: Call
    inputs: tuple[Layout | None, ...]

    @property
    def rank(self) -> int:
        return len(self.call.inputs[0].shape) if self.call.inputs else 0

    @property
    def channel_axis(self) -> int:
        return 1 if self.layer.config.get("data_format") == "channels_first" else self.rank - 1

    def channels(self, axis: int | None = None) -> Atoms | None:
        """The channels that come in along the axis of channels; others that come in are fixed."""
        layout = self.inputs[0]
        if layout is not None and layout.axis == (self.channel_axis if axis is None else axis):
            return layout.atoms
        self.fix(f"'{self.path}' reads them along another axis")
        return None

    def own(self, count: int, name: str = "") -> Atoms:
        """The channels that the layer makes."""
        key = self.path + name
        if key not in self.flow.spaces:
            self.flow.spaces[key] = np.arange(self.flow.total, self.flow.total + count)
            self.flow.total += count
        return self.flow.spaces[key]

    def use(self, name: str, axis: int, atoms: Atoms | None, *, is_own: bool = False) -> None:
        """Says that a variable, if the layer has it, has these channels along an axis."""
        weight = next((weight for weight in self.layer.weights if weight.name == name), None)
        if weight is None or atoms is None:
            return
        axis %= len(weight.shape)
        axes = self.flow.uses.setdefault((self.path, weight.key), {})
        if axis in axes:
            self.join(axes[axis], atoms)
        axes[axis] = atoms
        if is_own:
            self.flow.made[self.path, weight.key] = axis

    def set(self, entry: str, atoms: Atoms, place: int | None = None) -> None:
        """Says that a constructor argument is the number of channels."""
        value = config_with(self.layer.config, entry, place, len(atoms))
        self.flow.settings.setdefault(self.path, {})[entry] = value

    def join(self, one: Atoms, other: Atoms) -> None:
        if len(one) != len(other):
            raise GraphUnsupported(
                f"'{self.path}' joins {len(one)} channels with {len(other)}",
                expected="as many channels on every side",
                fix=f"change every layer whose channels meet in '{self.path}', or start from another layer",
            )
        self.flow.joins.join(one, other)

    def fix(self, reason: str) -> None:
        """Says why the channels that come in cannot be changed."""
        for layout in self.inputs:
            if layout is not None:
                self.flow.joins.fix(layout.atoms, reason)

    def unknown(self, reason: str) -> list[Layout | None]:
        """Fixes what comes in, and what goes out."""
        self.fix(reason)
        return [self.opaque(index, reason) for index in range(len(self.call.outputs))]

    def opaque(self, index: int, reason: str) -> Layout | None:
        """The layout of an output whose channels are nobody's to change."""
        shape = self.call.outputs[index].shape
        size = shape[-1] if len(shape) > 1 else None
        if size is None:
            return None
        atoms = self.own(size, f"#{index}")
        self.flow.joins.fix(atoms, reason)
        return Layout(len(shape) - 1, atoms)


def trace(model: ModelSpec, spaces: Mapping[str, Atoms] | None = None, total: int = 0) -> Flow:
    """Follows the channels of a model whose shapes are proved.

    Args:
        model: The model.
        spaces: Other channels than there are now, for some of the layers that make them.
        total: The first number for channels that have none.

    Raises:
        GraphUnsupported: when channels that are joined do not agree in number, or the model was never built.
    """
    if model.inputs is None:
        raise GraphUnsupported(
            f"'{model.name}' was never built, so that its channels are not known",
            expected="a model with an input",
            fix="save it again after calling it once",
        )
    flow = Flow(dict(spaces or {}), total=total)
    for ref, layout in zip(model.refs_out(), _Walk(flow, model, "", {}).run(), strict=True):
        if layout is not None:
            flow.ends.fix(layout.atoms, f"they are an output of the model, from '{ref.layer}'")
    return flow


class _Walk:
    """One walk over a model, call by call, from the inputs on."""

    def __init__(self, flow: Flow, model: ModelSpec, inside: str, given: Mapping[str, Layout | None]) -> None:
        self.flow, self.model, self.inside, self.given = flow, model, inside, given
        self.is_first = any(layer.config.get("data_format") == "channels_first" for layer in model.layers)
        self.layouts: dict[TensorRef, Layout | None] = {}

    def run(self) -> list[Layout | None]:
        for layer, index, call in _calls(self.model):
            inputs = tuple(self.layouts.get(ref) for ref in call.refs())
            site = Site(self.flow, join_path(self.inside, layer.name), layer, call, inputs)
            for output, layout in enumerate(self._through(site)):
                self.layouts[TensorRef(layer.name, index, output)] = layout
        return [self.layouts.get(ref) for ref in self.model.refs_out()]

    def _through(self, site: Site) -> list[Layout | None]:
        from surgery.model.channels.rules import rule_for

        if site.layer.is_input:
            return [self._input(site)]
        if site.layer.inner:
            return self._nested(site, site.layer.inner)
        rule = rule_for(site.layer)
        if rule is None:
            return site.unknown(f"'{site.path}' ({site.layer.class_name}) is not known to pass channels on")
        return rule(site)

    def _input(self, site: Site) -> Layout | None:
        shape = site.call.outputs[0].shape
        axis = 1 if self.is_first and len(shape) > 2 else len(shape) - 1
        layout = self.given.get(site.layer.name)
        if layout is None:
            size = shape[axis] if axis else None
            if size is None or self.inside:
                return None
            layout = Layout(axis, site.own(size))
            self.flow.ends.fix(layout.atoms, f"they are an input of the model, '{site.path}'")
        if "batch_shape" in site.layer.config:
            site.set("batch_shape", layout.atoms, layout.axis)
        return layout

    def _nested(self, site: Site, inner: ModelSpec) -> list[Layout | None]:
        if inner.inputs is None:
            return site.unknown(f"the model '{site.path}' was never built by itself")
        given = dict(zip((ref.layer for ref in inner.refs_in()), site.inputs, strict=False))
        return _Walk(self.flow, inner, site.path, given).run()


def _calls(model: ModelSpec) -> Iterator[tuple[LayerSpec, int, Call]]:
    """Every call, after those that it reads."""
    waiting: dict[tuple[str, int], int] = {}
    readers: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for layer in model.layers:
        for index, call in enumerate(layer.calls):
            sources = {(ref.layer, ref.call) for ref in call.refs()}
            waiting[layer.name, index] = len(sources)
            for source in sources:
                readers.setdefault(source, []).append((layer.name, index))
    ready = deque(place for place, count in waiting.items() if not count)
    while ready:
        name, index = ready.popleft()
        layer = model.by_name[name]
        yield layer, index, layer.calls[index]
        for reader in readers.get((name, index), ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
