"""A model while edits are applied to it: the one place where anything changes, and it never leaves `apply_edits`.

Specs never change, and copying one for each of ten thousand edits would take quadratic time. A draft is a spec taken
apart once, changed in place, and put together once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from surgery.model.graph import sorted_by_keras
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef, split_path, substitute, with_leaf


class Draft:
    """A mutable copy of one model; nested models become drafts of their own when somebody asks for them."""

    def __init__(self, model: ModelSpec) -> None:
        self._model = model
        self.layers = dict(model.by_name)
        self.outputs: Any = model.outputs
        self.inputs: Any = model.inputs
        self._inner: dict[str, Draft] = {}
        self._users: dict[str, set[str]] | None = None
        self._is_rewired = False
        self._places: dict[str, int] | None = None
        """The order of the layers, once one of them has another name."""

    def model_at(self, path: str) -> Draft:
        """The draft of the nested model at a path; itself at the empty path."""
        if not path:
            return self
        head, _, rest = path.partition("/")
        if head not in self._inner:
            inner = self.layers[head].inner
            if inner is None:
                raise KeyError(path)
            self._inner[head] = Draft(inner)
        return self._inner[head].model_at(rest)

    def parent(self, path: str) -> Draft:
        return self.model_at(split_path(path)[0])

    def put(self, name: str, layer: LayerSpec) -> None:
        self.layers[name] = layer

    def add(self, layer: LayerSpec) -> None:
        self.layers[layer.name] = layer
        if layer.is_input:
            self.inputs = with_leaf(self.inputs, TensorRef(layer.name), layer.name)
        self._is_rewired = True
        for ref in (ref for call in layer.calls for ref in call.refs()):
            self._readers(ref.layer).add(layer.name)

    def call(self, name: str, calls: tuple[Call, ...]) -> None:
        """Has a layer called otherwise; what it makes then is to be proved anew."""
        self.layers[name] = replace(self.layers[name], calls=calls)
        self._is_rewired = True
        for ref in (ref for call in calls for ref in call.refs()):
            self._readers(ref.layer).add(name)

    def remove(self, name: str) -> None:
        if self.layers.pop(name).is_input:
            self.inputs = _without(self.inputs, name)
        self._inner.pop(name, None)
        self._is_rewired = True

    def rename(self, names: Mapping[str, str]) -> None:
        """Gives layers other names, in place and all at once, and tells everybody who reads them."""
        if self._places is None:
            self._places = {name: place for place, name in enumerate(self.layers)}
        places = {names[old]: self._places.pop(old, len(self.layers)) for old in names}
        self._places |= places
        layers = {names[old]: self._renamed(old, names[old]) for old in names}
        self.layers = {name: layer for name, layer in self.layers.items() if name not in names} | layers
        self._users = None
        change = {
            TensorRef(old, call, output): TensorRef(new, call, output)
            for old, new in names.items()
            for call in range(max(1, len(layers[new].calls)))
            for output in range(max([1, *(len(each.outputs) for each in layers[new].calls)]))
        }
        self.redirect(change, None, True)
        self.inputs = substitute(self.inputs, change)
        if isinstance(self.inputs, Mapping):
            # Keras wants each key of a dict of inputs to be the name of its input.
            self.inputs = {names.get(key, key): value for key, value in self.inputs.items()}

    def _renamed(self, old: str, new: str) -> LayerSpec:
        if old in self._inner:
            self.layers[old] = replace(self.layers[old], inner=self._inner.pop(old).freeze())
        layer = self.layers[old]
        inner = layer.inner and replace(layer.inner, name=new)
        return replace(layer, name=new, config={**layer.config, "name": new}, inner=inner)

    def redirect(self, change: Mapping[TensorRef, TensorRef], consumers: tuple[str, ...] | None, outputs: bool) -> None:
        """Replaces tensors in the calls of those who read them, and in the model's outputs."""
        self._is_rewired = True
        for user in sorted({user for old in change for user in self._readers(old.layer)}):
            if user in self.layers and (consumers is None or user in consumers):
                layer = self.layers[user]
                self.layers[user] = replace(layer, calls=tuple(call.map(change) for call in layer.calls))
                for new in change.values():
                    self._readers(new.layer).add(user)
        if outputs:
            self.outputs = substitute(self.outputs, change)

    def free_name(self, wanted: str) -> str:
        """The name, or the name with the next free number, as Keras counts."""
        return free_name(wanted, self.layers)

    def freeze(self) -> ModelSpec:
        """The model again, its layers in Keras' order."""
        layers = dict(self.layers)
        if (places := self._places) is not None:
            layers = {name: layers[name] for name in sorted(layers, key=lambda name: places.get(name, len(places)))}
        for name, inner in self._inner.items():
            layers[name] = replace(layers[name], inner=inner.freeze())
        model = replace(self._model, layers=tuple(layers.values()), inputs=self.inputs, outputs=self.outputs)
        return sorted_by_keras(model) if self._is_rewired else model

    def _readers(self, name: str) -> set[str]:
        if self._users is None:
            self._users = {}
            for layer in self.layers.values():
                for inbound in layer.inbound:
                    self._users.setdefault(inbound, set()).add(layer.name)
        return self._users.setdefault(name, set())


def free_name(wanted: str, taken: Mapping[str, Any]) -> str:
    """The name, or the name with the next free number, as Keras counts."""
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name


def _without(structure: Any, name: str) -> Any:
    """A structure of tensors without those of one layer."""
    match structure:
        case list() | tuple():
            return type(structure)(_without(item, name) for item in structure if not _is_of(item, name))
        case Mapping():
            return {key: _without(value, name) for key, value in structure.items() if not _is_of(value, name)}
        case _:
            return structure


def _is_of(structure: Any, name: str) -> bool:
    return isinstance(structure, TensorRef) and structure.layer == name
