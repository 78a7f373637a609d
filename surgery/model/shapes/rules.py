"""The registry of static rules, and what a rule sees: a layer at the place where it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from surgery.errors import ShapeMismatch
from surgery.model.quantization import not_quantized, quantization, variable_names
from surgery.model.spec import Call, CustomClass, LayerSpec, Shape, TensorSpec
from surgery.model.weights import shape_text


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable that a layer makes, in the order of Keras' `layer.variables`.

    `key` is where Keras 3.15 stores it below its layer; `initializer` the class name of what fills it.
    """

    key: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    initializer: str
    is_stored: bool = True

    def below(self, key: str, shape: tuple[int, ...] | None = None) -> Variable:
        """The same variable of a layer inside another."""
        return replace(self, key=f"{key}/{self.key}", shape=self.shape if shape is None else shape)


@dataclass(frozen=True, slots=True)
class Built:
    """What a layer is after its call: its output tensors, flat, and its variables."""

    outputs: tuple[TensorSpec, ...]
    variables: tuple[Variable, ...] = ()
    custom: CustomClass | None = None
    """The class from outside Keras: where it was found, and the name that it is registered by, which only its module knows."""

    @property
    def output(self) -> TensorSpec:
        return self.outputs[0]


MOST_AXES = 64
"""Of an array of NumPy."""
LARGEST = 2**63 - 1
"""Size of an axis."""

FLOATS = ("float16", "bfloat16", "float32", "float64")

_MIXED = {"mixed_float16": ("float32", "float16"), "mixed_bfloat16": ("float32", "bfloat16")}


@dataclass(frozen=True)
class Site:
    """A layer, the tensors that go in, and the call that takes them."""

    layer: LayerSpec
    inputs: tuple[TensorSpec, ...]
    call: Call

    @property
    def class_name(self) -> str:
        return self.layer.class_name

    @property
    def shape(self) -> Shape:
        return self.inputs[0].shape

    @property
    def is_channels_first(self) -> bool:
        return bool(self.get("data_format") == "channels_first")

    def get(self, name: str, default: Any = None) -> Any:
        """An entry of the layer's config."""
        value = self.layer.config.get(name)
        return default if value is None else value

    @property
    def policy(self) -> str:
        """The name of the layer's dtype policy."""
        dtype = self.get("dtype", "float32")
        if isinstance(dtype, Mapping):
            dtype = dtype.get("config", {}).get("name", "float32")
        return str(dtype)

    @property
    def variable_dtype(self) -> str:
        return _MIXED.get(self.policy, (self.policy,))[0]

    @property
    def compute_dtype(self) -> str:
        return _MIXED.get(self.policy, (self.policy,))[-1]

    def carried(self, index: int = 0) -> str:
        """The dtype in which an input reaches the layer's own code: floats are cast to the compute dtype."""
        dtype = self.inputs[index].dtype
        return self.compute_dtype if dtype in FLOATS and self.compute_dtype in FLOATS else dtype

    def tensor(self, shape: Sequence[int | None], dtype: str | None = None) -> TensorSpec:
        return TensorSpec(tuple(shape), dtype or self.compute_dtype)

    def built(self, shape: Sequence[int | None], *variables: Variable | None, dtype: str | None = None) -> Built:
        """One output of a shape, in the compute dtype, and the variables that there are."""
        return Built((self.tensor(shape, dtype),), tuple(variable for variable in variables if variable is not None))

    def variable(
        self, index: int, name: str, shape: Sequence[int | None], initializer: str = "", trainable: bool = True
    ) -> Variable:
        """The variable that the layer itself keeps at `vars/{index}`.

        Args:
            initializer: The config entry that holds its initializer, or the class name of a fixed one.
        """
        known = tuple(axis for axis in shape if axis is not None)
        if len(known) != len(shape):
            raise self.refused(f"{self.class_name} needs to know the size of its weights, and gets {self.shown}")
        chosen = self.initializer(initializer or f"{name}_initializer")
        return Variable(f"vars/{index}", name, known, self.variable_dtype, trainable, chosen)

    def initializer(self, entry: str) -> str:
        """The class name of the initializer in a config entry; anything else stands for itself."""
        if not entry.endswith("_initializer"):
            return entry
        value = self.get(entry, "GlorotUniform")
        return str(value.get("class_name") if isinstance(value, Mapping) else value)

    @property
    def shown(self) -> str:
        """The shapes that come in, for a message."""
        shapes = [shape_text(tensor.shape) for tensor in self.inputs]
        return shapes[0] if len(shapes) == 1 else " and ".join(shapes)

    def refused(self, what: str, expected: str | None = None) -> ShapeMismatch:
        return ShapeMismatch(what, expected=expected)

    def need_rank(self, rank: int, axes: str, at_least: bool = False) -> None:
        """Refuses an input of another number of dimensions."""
        have = len(self.shape)
        if have != rank and not (at_least and have > rank):
            least = "at least " if at_least else ""
            raise self.refused(
                f"{self.class_name} needs an input of {least}{rank} dimensions ({axes}), and gets {self.shown}"
            )

    def need_known(self, axis: int, noun: str) -> int:
        """The size of an axis that must not vary."""
        size = self.shape[axis]
        if size is None:
            raise self.refused(f"{self.class_name} needs to know the number of {noun}, and gets {self.shown}")
        return size

    def inner(self, entry: str) -> LayerSpec:
        """The layer that a config entry nests."""
        return nested_layer(self.layer.config[entry])

    def at(self, layer: LayerSpec, *inputs: TensorSpec) -> Site:
        """The site of another layer that gets these tensors."""
        return Site(layer, inputs or self.inputs, self.call)


Rule = Callable[[Site], "Built | None"]

_RULES: dict[str, Rule] = {}
_OPERATIONS: dict[str, Rule] = {}


def rule(*class_names: str) -> Callable[[Rule], Rule]:
    """Registers a function as the rule of some layer classes of Keras."""

    def register(function: Rule) -> Rule:
        _RULES.update(dict.fromkeys(class_names, function))
        return function

    return register


def operation(*class_names: str) -> Callable[[Rule], Rule]:
    """Registers a function as the rule of some bare operations, classes of `keras.src.ops`."""

    def register(function: Rule) -> Rule:
        _OPERATIONS.update(dict.fromkeys(class_names, function))
        return function

    return register


def rule_for(layer: LayerSpec) -> Rule | None:
    """The static rule of a layer, if its class has one."""
    if layer.inner is not None:
        return None
    if not layer.is_layer:
        return _OPERATIONS.get(layer.class_name)
    return _RULES.get(layer.class_name) if layer.is_of_keras else None


def known_classes() -> tuple[str, ...]:
    """The layer classes that have a static rule."""
    return tuple(sorted(_RULES))


def nested_layer(config: Mapping[str, Any]) -> LayerSpec:
    """A layer out of the serialised form that a wrapper's config holds."""
    inside = config.get("config", {})
    return LayerSpec(
        name=inside.get("name", ""),
        class_name=config["class_name"],
        config=inside,
        module=config.get("module"),
        registered_name=config.get("registered_name"),
    )


def build_at(site: Site) -> Built | None:
    """What the rule of the site's layer says; None where there is none."""
    found = rule_for(site.layer)
    if found is None or _has_learned_activation(site):
        return None
    try:
        built = found(site) if quantization(site.layer) is None else _quantized(site, found)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # A config that Keras never wrote: a size that is a text, more widths than axes, a step of 0.
        raise site.refused(
            f"the config or the arguments of {site.class_name} are none that it takes: {error}"
        ) from None
    made = [*(t.shape for t in built.outputs), *(v.shape for v in built.variables)] if built else []
    for shape in made:
        if len(shape) > MOST_AXES or not all(size is None or _can_be(size) for size in shape):
            raise site.refused(f"{site.class_name} makes a tensor that no machine can hold, of {site.shown[:200]}")
    return built


def _quantized(site: Site, plain: Rule) -> Built | None:
    """A quantized layer: the outputs are those of its class, the variables those in its file. How large scales and zero points are
    depends on blocks, equations and calibration: without a file, or with other inputs than the file's, it is Keras' to answer."""
    mode, stored = quantization(site.layer), site.layer.weights
    if mode is None or not stored or (site.call.inputs and site.call.inputs != site.inputs):
        return None
    built = plain(replace(site, layer=not_quantized(site.layer)))
    names = variable_names(mode, [variable.name for variable in built.variables], len(stored)) if built else None
    if built is None or names is None:
        return None
    variables = tuple(
        Variable(weight.key, name, weight.shape, weight.dtype, mode == "float8" or name == "bias", weight.initializer)
        for weight, name in zip(stored, names, strict=True)
    )
    return replace(built, variables=variables)


def _has_learned_activation(site: Site) -> bool:
    """Whether the activation is a layer that has variables: Keras 3.15 saves those of one that it has built, with its shape."""
    activation = site.layer.config.get("activation")
    return isinstance(activation, Mapping) and activation.get("class_name") == "PReLU" and "build_config" in activation


def _can_be(size: object) -> bool:
    return isinstance(size, int | float) and size <= LARGEST
