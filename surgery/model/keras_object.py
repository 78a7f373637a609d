"""A Keras object as a recipe writes it: the one-key map `Dense: {units: 10}`, as types for pydantic.

A class of Keras is checked against the catalogue, argument by argument, so that a mistake is found without Keras. A class of
one's own is `package.module>Class: {...}`; what it takes is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import CoreRef, GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, ValidationError, core_schema

from surgery.model import catalogue
from surgery.model.checking import Problem, check_object, check_own_keys
from surgery.model.configured import serialized_object
from surgery.model.object_schema import OF_THE_RECIPE, definition_name, object_schema


@dataclass(frozen=True)
class KerasObject:
    """A class of Keras, or of somebody else, with its constructor arguments."""

    kind: ClassVar[str]
    """Which list of the catalogue the class is looked up in."""

    class_name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    """The constructor arguments, as written."""
    custom_module: str | None = None
    """The module of a class that is not Keras' own; its code must be trusted before it is imported."""
    plain: bool = False
    """Written as a bare name, `accuracy`: Keras itself makes something of it."""

    @property
    def is_custom(self) -> bool:
        return self.custom_module is not None

    @property
    def name(self) -> str | None:
        """The object's own name, where the recipe gives one."""
        return self.config.get("name")

    @property
    def key(self) -> str:
        """The key of the one-key map: the class, with its module where it is not Keras' own."""
        return f"{self.custom_module}>{self.class_name}" if self.custom_module else self.class_name

    @classmethod
    def problems(cls, value: Any) -> Iterator[Problem]:
        """Every mistake of a value of a recipe."""
        return check_object(cls.kind, value)

    @classmethod
    def parse(cls, value: Any) -> Self:
        """The object that a value of a recipe stands for; `ValidationError` with every mistake of it."""
        if isinstance(value, cls):
            return value
        if found := list(cls.problems(value)):
            raise ValidationError.from_exception_data(cls.__name__, [_detail(problem, value) for problem in found])
        if isinstance(value, str):
            return cls._named(value)
        ((key, config),) = value.items()
        module, _, class_name = key.rpartition(">")
        return cls._made(class_name if module else own_name(cls.kind, key), dict(config or {}), module or None)

    @classmethod
    def _named(cls, name: str) -> Self:
        return cls(name, plain=True)

    @classmethod
    def _made(cls, class_name: str, config: dict[str, Any], module: str | None) -> Self:
        return cls(class_name, config, module)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(written)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # Not the bare reference: pydantic would put the whole definition in its place, at every use.
        return {"allOf": [_reference(handler.generate_json_schema, cls.kind)]}  # type: ignore[attr-defined]


def _detail(problem: Problem, value: Any) -> InitErrorDetails:
    context = {"at": problem.at, "mark": problem.mark, "expected": problem.expected, "fix": problem.fix}
    known = {key: item for key, item in context.items() if item is not None}
    return {"type": PydanticCustomError(problem.code, problem.what, known), "input": value}


def _reference(generator: GenerateJsonSchema, kind: str) -> JsonSchemaValue:
    """The reference to `#/$defs/KerasLayer` and the like; the definition is made once in a schema."""
    name, reference = generator.get_cache_defs_ref_schema(CoreRef(definition_name(kind)))
    if name not in generator.definitions:
        generator.definitions[name] = {}
        generator.definitions[name] = object_schema(kind, lambda other: _reference(generator, other))
    return reference


@dataclass(frozen=True)
class LayerObject(KerasObject):
    """A layer. `inputs`, `inherit` and `call` belong to the recipe, not to the layer's constructor."""

    kind = "layers"

    inputs: tuple[str, ...] | None = None
    """Names of the layers that feed it, where it is not simply the one before."""
    inherit: bool = False
    """Start from the config of the layer that it replaces."""
    call: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its calls that are no tensors; null takes away what it would inherit."""

    @classmethod
    def problems(cls, value: Any) -> Iterator[Problem]:
        own, partial = {}, False
        if isinstance(value, Mapping) and len(value) == 1:
            ((key, config),) = value.items()
            if isinstance(config, Mapping):
                own = {name: config[name] for name in OF_THE_RECIPE if name in config}
                value = {key: {name: item for name, item in config.items() if name not in own}}
                yield from check_own_keys(key, own)
                partial = own.get("inherit") is True
        yield from check_object(cls.kind, value, partial=partial)

    @classmethod
    def _made(cls, class_name: str, config: dict[str, Any], module: str | None) -> Self:
        inputs, inherit = config.pop("inputs", None), config.pop("inherit", False)
        call = dict(config.pop("call", {}))
        names = (inputs,) if isinstance(inputs, str) else inputs
        read = None if names is None else tuple(names)
        return cls(class_name, config, module, inputs=read, inherit=inherit, call=call)


@dataclass(frozen=True)
class InitializerObject(KerasObject):
    """Where the first values of a variable come from."""

    kind = "initializers"


@dataclass(frozen=True)
class RegularizerObject(KerasObject):
    """A penalty on a variable or an output."""

    kind = "regularizers"


@dataclass(frozen=True)
class ConstraintObject(KerasObject):
    """What a variable is projected to after each step."""

    kind = "constraints"


@dataclass(frozen=True)
class ScheduleObject(KerasObject):
    """A learning rate that changes with the steps."""

    kind = "schedules"


@dataclass(frozen=True)
class OptimizerObject(KerasObject):
    """An optimizer: `{Adam: {learning_rate: 0.001}}` or `adam`, which is the same as `{Adam: {}}`."""

    kind = "optimizers"

    @classmethod
    def problems(cls, value: Any) -> Iterator[Problem]:
        yield from check_object(cls.kind, value)
        yield from _scaled_twice(value)

    @property
    def updating(self) -> OptimizerObject:
        """The optimizer that updates the variables: the one in a `LossScaleOptimizer`, or itself."""
        inner = self.config.get("inner_optimizer") if self.class_name == SCALING and not self.is_custom else None
        return self if inner is None else OptimizerObject.parse(inner).updating

    @classmethod
    def _named(cls, name: str) -> Self:
        return cls(catalogue.bare_names(cls.kind)[name.lower()])


SCALING = "LossScaleOptimizer"
"""The optimizer of Keras that scales the loss for another one."""


def _scaled_twice(value: Any) -> Iterator[Problem]:
    """What is wrong with an optimizer that scales the loss for another one."""
    if isinstance(value, str) and value.lower() == SCALING.lower():
        yield Problem("missing-key", f"{SCALING} needs 'inner_optimizer'", _SCALED, f"write {_SCALED}")
    given = value.get(SCALING) if isinstance(value, Mapping) else None
    inner = given.get("inner_optimizer") if isinstance(given, Mapping) else None
    name, config = next(iter(inner.items()), ("", None)) if isinstance(inner, Mapping) else (inner, None)
    if str(name).lower() == SCALING.lower():
        what = f"{SCALING}: inner_optimizer scales the loss too"
        yield Problem("invalid-value", what, "an optimizer that does not", _SCALED, (SCALING, "inner_optimizer"))
    elif isinstance(config, Mapping) and config.get("loss_scale_factor") is not None:
        yield Problem(
            "invalid-value",
            f"{SCALING}: Keras leaves out the loss_scale_factor of the optimizer within",
            "one scale of the loss",
            "remove loss_scale_factor here, or use the optimizer alone",
            (SCALING, "inner_optimizer", str(name), "loss_scale_factor"),
        )


_SCALED = "{LossScaleOptimizer: {inner_optimizer: adam}}"


@dataclass(frozen=True)
class LossObject(KerasObject):
    """A loss: `{Huber: {delta: 2.0}}` or `sparse_categorical_crossentropy`."""

    kind = "losses"


@dataclass(frozen=True)
class MetricObject(KerasObject):
    """A metric: `{AUC: {curve: PR}}` or `accuracy`."""

    kind = "metrics"


@dataclass(frozen=True)
class CallbackObject(KerasObject):
    """A callback: `{EarlyStopping: {patience: 3}}`."""

    kind = "callbacks"


OF_KIND: Mapping[str, type[KerasObject]] = {cls.kind: cls for cls in KerasObject.__subclasses__()}
"""The class for each list of the catalogue."""

Object = TypeVar("Object", bound=KerasObject)


def own_name(kind: str, name: str) -> str:
    """The class's own name, where an alias was written: `MaxPool2D` is `MaxPooling2D`."""
    known = catalogue.find(kind, name)
    return known.name if known else name


def written(value: KerasObject) -> Any:
    """The object as a recipe writes it."""
    if value.plain:
        return value.class_name
    config = dict(value.config)
    if isinstance(value, LayerObject):
        config |= {"inputs": list(value.inputs)} if value.inputs is not None else {}
        config |= {"inherit": True} if value.inherit else {}
        config |= {"call": dict(value.call)} if value.call else {}
    return {value.key: config}


def serialized(value: KerasObject) -> dict[str, Any] | str:
    """The object as Keras writes it into a saved model, with its whole config; a bare name stays a string.

    A layer that has no name gets none: the planner gives it one.
    """
    if value.plain:
        return value.class_name
    return serialized_object(value.kind, value.key, value.config)


def from_serialized(kind: type[Object], value: Mapping[str, Any]) -> Object:
    """The object behind Keras' serialised form."""
    module, class_name = value.get("module") or "", value["class_name"]
    return kind(class_name, value.get("config", {}), None if module.startswith("keras") else module)
