"""What every operation has: a phase, the layers that it works on, and the edits that it lowers itself to."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from surgery.errors import GraphUnsupported, SurgeryError
from surgery.model.edits import Edit
from surgery.model.keras_object import LayerObject
from surgery.model.library import Library
from surgery.model.select import select
from surgery.model.select.glob import has_wildcard
from surgery.model.select.syntax import AnyOf, Node, Pattern
from surgery.model.spec import LayerSpec, ModelSpec, split_path

LIST_LAYERS = "list them with: surgery inspect MODEL"
"""A fix that whoever knows the model's file completes."""


class Phase(IntEnum):
    """When an operation takes its turn. Inside a phase the recipe's order holds."""

    STRUCTURE = 1
    WEIGHTS = 2
    TRAINABILITY = 3


class Operation(BaseModel):
    """One entry of `operations:`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True, arbitrary_types_allowed=True)

    phase: ClassVar[Phase]

    reads_files: ClassVar[bool] = False
    """Whether its edits follow from other model files, or from values, and not from the model alone."""

    needs_shapes: ClassVar[bool] = False
    """Whether its edits follow from the shapes of the whole model, so that it waits until they fit."""

    model_files: ClassVar[str | None] = None
    """The key, if it has one, under which it names further model files."""

    op: str

    optional: bool = False
    """Fine when it matches nothing or changes nothing; otherwise that is an error."""

    expect: int | None = Field(default=None, ge=0)
    """How many layers it must match; another number is an error."""

    _library: Library | None = PrivateAttr(default=None)

    @classmethod
    def name(cls) -> str:
        """The word after `op:`."""
        return str(get_args(cls.model_fields["op"].annotation)[0])

    def targets(self, model: ModelSpec) -> tuple[str, ...]:
        """The paths of the layers that it works on.

        Raises:
            UnknownLayer: when a selector matches nothing.
        """
        return self.select(model, "layers")

    @abstractmethod
    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        """The edits that make it hold, for a model as the earlier operations left it. Pure and deterministic."""

    def bound(self, library: Library) -> Self:
        """The same operation with the files that it looks at, so that its edits are a function of the model alone."""
        if not self.reads_files:
            return self
        operation = self.model_copy()
        operation._library = library
        return operation

    @property
    def library(self) -> Library:
        """The files that it looks at."""
        if self._library is None:
            raise LookupError(f"{self.op} is not bound to its files")
        return self._library

    def claim(self) -> str | None:
        """What it leaves as it is, in words, where it claims something: it is measured when the model is built.

        What is compared follows from the models alone (`surgery.model.congruence`).
        """
        return None

    def names_layers(self) -> bool:
        """Whether it picks its layers by name alone, so that no other operation changes what it picks."""
        return all(_is_literal(getattr(self, name)) for name in type(self).model_fields)

    def takes_layers(self) -> bool:
        """Whether it changes or takes away the very layers that it picks, rather than what is around them."""
        return True

    def promised_names(self) -> tuple[str, ...]:
        """The names that the recipe gives to layers that it makes."""
        values = [getattr(self, name) for name in type(self).model_fields]
        objects = [item for value in values if isinstance(value, list) for item in value]
        return tuple(item.name for item in objects if isinstance(item, LayerObject) and item.name)

    def select(self, model: ModelSpec, field: str) -> tuple[str, ...]:
        """What the selector in a field picks; an error points at that field."""
        info = type(self).model_fields
        key = next(name for name, f in info.items() if field in (name, f.alias))
        try:
            return select(model, getattr(self, key))
        except SurgeryError as error:
            error.field = (field, *error.field)
            raise

    def one(self, model: ModelSpec, field: str) -> tuple[str, LayerSpec]:
        """The single layer that a field picks."""
        paths = self.select(model, field)
        if len(paths) != 1:
            raise GraphUnsupported(
                f"'{field}' picks {len(paths)} layers: {listed(paths)}",
                expected="one layer",
                fix=f"name it, for instance: {field}: {paths[0]}",
                field=(field,),
            )
        return paths[0], model[paths[0]]


def inside_of(paths: tuple[str, ...], field: str) -> str:
    """The model that all the layers are in.

    Raises:
        GraphUnsupported: when they are in different nested models.
    """
    inside = {split_path(path)[0] for path in paths}
    if len(inside) > 1:
        raise GraphUnsupported(
            f"{listed(paths)} are not in one model",
            expected="layers of one nested model",
            fix="write one operation for each of them",
            field=(field,),
        )
    return inside.pop()


def _is_literal(value: Any) -> bool:
    """Not a selector, or one that names layers."""
    match value:
        case Pattern(text):
            return not has_wildcard(text)
        case AnyOf(members):
            return all(_is_literal(member) for member in members)
        case _:
            return not isinstance(value, Node)


def listed(names: tuple[str, ...], most: int = 6) -> str:
    """Names in a sentence, the rest counted."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def values_of(operation: Operation) -> dict[str, Any]:
    """The operation as it would stand in a recipe."""
    return operation.model_dump(by_alias=True, exclude_defaults=True, exclude_none=True, mode="json")
