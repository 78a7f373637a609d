"""A Keras model as a value: its layers, how they are wired, which weights they have. Nothing here imports Keras.

A `ModelSpec` never changes; an edit returns another one. Layers are in the order of Keras' `model.layers`, weights stay in
their file. A nested model is a layer with an `inner` spec, and its layers are reached by paths: `encoder/conv1`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from surgery.model.notebook import InNotebook
from surgery.model.weights import WeightSource

Shape = tuple[int | None, ...]
Config = Mapping[str, Any]

KERAS = ("keras", "keras_hub")
"""Packages whose classes need no grant."""


def is_foreign(module: str) -> bool:
    """Whether a module is of a package that must be granted."""
    return module.split(".")[0] not in KERAS


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A tensor of the graph: the `output`-th output of the `call`-th call of a layer."""

    layer: str
    call: int = 0
    output: int = 0

    def __str__(self) -> str:
        return self.layer if not (self.call or self.output) else f"{self.layer}[{self.call}][{self.output}]"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape (without a value for what varies, the batch first) and dtype of a tensor."""

    shape: Shape
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer: the arguments, with a `TensorRef` wherever a tensor goes in.

    `inputs` and `outputs` are the flat tensors as they were when shapes were last proved; empty when not proved yet.
    """

    args: tuple[Any, ...] = ()
    kwargs: Config = field(default_factory=dict)
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()

    def refs(self) -> tuple[TensorRef, ...]:
        """The tensors that go in, in the order of Keras' `tree.flatten`."""
        return tuple(leaves((self.args, self.kwargs)))

    def map(self, change: Mapping[TensorRef, TensorRef]) -> Call:
        """The same call with other tensors."""
        return replace(
            self,
            args=substitute(self.args, change),
            kwargs=substitute(self.kwargs, change),
        )


@dataclass(frozen=True, slots=True)
class WeightSpec:
    """One variable of a layer.

    `key` says where Keras stores it below its layer (`vars/0`, `forward_layer/cell/vars/2`); `trainable` whether training
    changes it while its layer is trainable.
    """

    key: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    source: WeightSource
    initializer: str = "unknown"
    """The class of the layer's initializer for it, where a rule tells."""
    is_stored: bool = True
    """False for the two halves of a LoRA, which Keras adds to the kernel when it saves."""

    @property
    def size(self) -> int:
        n = 1
        for axis in self.shape:
            n *= axis
        return n


@dataclass(frozen=True)
class LayerSpec:
    """A layer: class, constructor arguments, calls, weights. `inner` holds the layers of a nested model."""

    name: str
    class_name: str
    config: Config = field(default_factory=dict)
    module: str | None = "keras.layers"
    registered_name: str | None = None
    build_config: Config | None = None
    calls: tuple[Call, ...] = ()
    weights: tuple[WeightSpec, ...] = ()
    inner: ModelSpec | None = None
    origin: str | None = None
    """Its path in the model that a plan starts from; a new layer has none."""

    @property
    def is_input(self) -> bool:
        return self.class_name == "InputLayer"

    @property
    def is_of_keras(self) -> bool:
        """Whether its class is one of Keras itself, not of KerasHub or of another package."""
        return (self.module or "keras").split(".")[0] == "keras" and ">" not in (self.registered_name or "")

    @property
    def is_layer(self) -> bool:
        """False for a bare operation of `keras.ops`, which `model.layers` leaves out."""
        return not (self.module or "").startswith("keras.src.ops")

    @property
    def trainable(self) -> bool:
        return bool(self.config.get("trainable", True))

    @property
    def inbound(self) -> tuple[str, ...]:
        """Names of the layers that feed it, each once, in order of use."""
        return tuple(dict.fromkeys(ref.layer for call in self.calls for ref in call.refs()))

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Its output tensors at its first call."""
        return self.calls[0].outputs if self.calls else ()

    @property
    def parameters(self) -> int:
        own = sum(weight.size for weight in self.weights)
        return own + (self.inner.parameters if self.inner else 0)

    @property
    def trainable_parameters(self) -> int:
        """What training would change: in Keras nothing below a frozen layer or model does."""
        if not self.trainable:
            return 0
        own = sum(weight.size for weight in self.weights if weight.trainable)
        return own + (self.inner.trainable_parameters if self.inner else 0)


@dataclass(frozen=True, slots=True)
class CustomClass:
    """A class from outside Keras, as a file names it: with its module, or by its name alone."""

    module: str | None
    class_name: str
    registered_name: str | None = None

    def __str__(self) -> str:
        return f"{self.module}.{self.class_name}" if self.module else self.class_name


@dataclass(frozen=True)
class ModelSpec(InNotebook):
    """A Functional or Sequential model.

    `layers` are in Keras' own order of operations (`keras.ops` nodes and a Sequential's InputLayer included).
    `inputs` and `outputs` are structures (one, list or dict) with a `TensorRef` at each leaf. A Sequential that was never built
    has no inputs, and its layers no shapes.
    """

    class_name: str
    name: str
    layers: tuple[LayerSpec, ...]
    inputs: Any
    outputs: Any
    config: Config = field(default_factory=dict)
    """What else the model's config holds: `trainable`, `dtype`."""
    module: str | None = None
    registered_name: str | None = None
    build_config: Config | None = None
    compile_config: Config | None = None
    is_converted: bool = field(default=False, compare=False)
    """Whether it was read from a file of Keras 1 or 2."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What reading a file of Keras 1 or 2 changed so that Keras 3 computes the same, a sentence each."""
    custom_class: CustomClass | None = None
    """The custom model class that the file names; the spec is the Functional or Sequential that it is by its graph."""
    order: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The names of the layers in the order that ranges and indices of a recipe mean, where that may not be Keras' own."""

    @property
    def recipe_order(self) -> tuple[str, ...]:
        """The names of the layers in the order that ranges and indices mean."""
        is_whole = self.order and self.by_name.keys() == set(self.order)
        return self.order if is_whole else tuple(layer.name for layer in self.layers)

    @cached_property
    def by_name(self) -> Mapping[str, LayerSpec]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """The layers that read any tensor of a layer, in order, by its name."""
        found: dict[str, list[str]] = {}
        for layer in self.layers:
            for name in layer.inbound:
                found.setdefault(name, []).append(layer.name)
        return {name: tuple(users) for name, users in found.items()}

    @property
    def listed(self) -> tuple[LayerSpec, ...]:
        """What Keras calls `model.layers`: no bare operations; no InputLayer in a Sequential."""
        hide_input = self.class_name == "Sequential"
        return tuple(layer for layer in self.layers if layer.is_layer and not (hide_input and layer.is_input))

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable_parameters(self) -> int:
        return sum(layer.trainable_parameters for layer in self.layers)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, LayerSpec]]:
        """Every listed layer with its path, a nested model before its own layers."""
        for layer in self.listed:
            path = prefix + layer.name
            yield path, layer
            if layer.inner:
                yield from layer.inner.walk(f"{path}/")

    def find(self, path: str) -> LayerSpec | None:
        """The layer at a path, if there is one."""
        head, _, rest = path.partition("/")
        layer = self.by_name.get(head)
        if not rest or layer is None:
            return layer
        return layer.inner.find(rest) if layer.inner else None

    def __getitem__(self, path: str) -> LayerSpec:
        layer = self.find(path)
        if layer is None:
            raise KeyError(path)
        return layer

    def model_at(self, path: str) -> ModelSpec:
        """The nested model at a path; the model itself at the empty path."""
        if not path:
            return self
        inner = self[path].inner
        if inner is None:
            raise KeyError(path)
        return inner

    def with_model(self, path: str, inner: ModelSpec) -> ModelSpec:
        """Another model at the place of the nested one at `path`; `inner` itself at the empty path."""
        if not path:
            return inner
        return self.with_layer(path, replace(self[path], inner=inner))

    def with_layer(self, path: str, layer: LayerSpec) -> ModelSpec:
        """Another layer at the place of the one at `path`."""
        inside, name = split_path(path)
        model = self.model_at(inside)
        layers = tuple(layer if old.name == name else old for old in model.layers)
        return self.with_model(inside, replace(model, layers=layers))

    def refs_in(self) -> tuple[TensorRef, ...]:
        return tuple(leaves(self.inputs))

    def refs_out(self) -> tuple[TensorRef, ...]:
        return tuple(leaves(self.outputs))

    def tensor(self, ref: TensorRef) -> TensorSpec | None:
        """Shape and dtype of a tensor, where they are known."""
        layer = self.by_name.get(ref.layer)
        if layer is None or ref.call >= len(layer.calls):
            return None
        outputs = layer.calls[ref.call].outputs
        return outputs[ref.output] if ref.output < len(outputs) else None


def split_path(path: str) -> tuple[str, str]:
    """`encoder/block/conv` is `conv` inside `encoder/block`."""
    inside, _, name = path.rpartition("/")
    return inside, name


def join_path(inside: str, name: str) -> str:
    return f"{inside}/{name}" if inside else name


def leaves(structure: Any) -> Iterator[TensorRef]:
    """Every tensor of a structure, in the order of Keras' `tree.flatten`: dicts by sorted key."""
    match structure:
        case TensorRef():
            yield structure
        case list() | tuple():
            for item in structure:
                yield from leaves(item)
        case Mapping():
            for key in sorted(structure):
                yield from leaves(structure[key])


def with_leaf(structure: Any, ref: TensorRef, name: str) -> Any:
    """The same structure with one more tensor at its end; in a dict under a name."""
    match structure:
        case list() | tuple():
            return [*structure, ref]
        case Mapping():
            return {**structure, name: ref}
        case _:
            return [structure, ref]


def substitute(structure: Any, change: Mapping[TensorRef, TensorRef]) -> Any:
    """The same structure with other tensors at its leaves."""
    match structure:
        case TensorRef():
            return change.get(structure, structure)
        case list():
            return [substitute(item, change) for item in structure]
        case tuple():
            return tuple(substitute(item, change) for item in structure)
        case Mapping():
            return {key: substitute(value, change) for key, value in structure.items()}
        case _:
            return structure
