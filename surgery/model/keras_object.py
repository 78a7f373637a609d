"""A Keras object as a recipe writes it: the one-key map `Dense: {units: 10}`, as types for pydantic.

A class of Keras is checked against the catalogue, argument by argument, so that a mistake is found without Keras. A class of
one's own is `package.module>Class: {...}`; what it takes is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


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

    @classmethod
    def parse(cls, value: Any) -> Self:
        """The object that a value of a recipe stands for."""
        if isinstance(value, cls):
            return value
        (key, config), = value.items()
        module, _, class_name = key.rpartition(">")
        return cls(class_name, dict(config or {}), module or None)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse, ref=cls.__name__)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "object", "minProperties": 1, "maxProperties": 1}


@dataclass(frozen=True)
class LayerObject(KerasObject):
    """A layer. `inputs` and `inherit` belong to the recipe, not to the layer's constructor."""

    kind = "layers"

    inputs: tuple[str, ...] | None = None
    """Names of the layers that feed it, where it is not simply the one before."""
    inherit: bool = False
    """Start from the config of the layer that it replaces."""

    @classmethod
    def parse(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        layer = super().parse(value)
        config = dict(layer.config)
        inputs, inherit = config.pop("inputs", None), config.pop("inherit", False)
        names = (inputs,) if isinstance(inputs, str) else inputs
        return cls(
            layer.class_name,
            config,
            layer.custom_module,
            inputs=None if names is None else tuple(names),
            inherit=inherit,
        )


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
    """An optimizer: `{Adam: {learning_rate: 0.001}}` or `adam`."""

    kind = "optimizers"


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


def serialized(value: KerasObject) -> dict[str, Any] | str:
    """The object as Keras writes it into a saved model; a bare name stays a string.

    A layer that has no name gets none: the planner gives it one.
    """
    if value.plain:
        return value.class_name
    return {
        "module": value.custom_module or f"keras.{value.kind}",
        "class_name": value.class_name,
        "config": dict(value.config),
        "registered_name": value.class_name if value.is_custom else None,
    }
