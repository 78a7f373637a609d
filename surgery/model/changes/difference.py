"""The difference between two models as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from surgery.model.notebook import InNotebook
from surgery.model.spec import ModelSpec

if TYPE_CHECKING:
    from surgery.model.changes.document import DiffDocument

Evidence = Literal["weights", "similar weights", "position", "layers inside", "name"]
Status = Literal["changed", "reshaped", "added", "removed", "fresh"]


class _Absent:
    """A config key that is not there, which is not the same as null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """A layer that only one of the models has. A nested model stands for its layers."""

    path: str
    class_name: str
    parameters: int
    inputs: tuple[str, ...]
    arguments: Mapping[str, Any]
    """The constructor arguments that are not at their default."""
    calls: tuple[Mapping[str, Any], ...] = ()
    """The arguments of each of its calls that are not at their default; empty where there are none."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A constructor argument with another value; `ABSENT` where a side does not have it."""

    key: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """What a layer, or (at the empty path) the model itself, is configured to do otherwise."""

    path: str
    class_name: str
    values: tuple[KeyChange, ...]


@dataclass(frozen=True, slots=True)
class Rename:
    """A layer that is the same under another path."""

    old: str
    new: str
    class_name: str
    by: Evidence = "weights"
    """By what it was recognised: layers without weights by their position, models by the layers inside."""


@dataclass(frozen=True, slots=True)
class Rewiring:
    """A layer that is fed by other tensors."""

    path: str
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainabilityChange:
    """A layer that was frozen or unfrozen."""

    path: str
    old: bool
    new: bool


@dataclass(frozen=True, slots=True)
class Statistics:
    """How far a variable moved."""

    relative_norm: float
    """Norm of the difference over the norm of the old values; infinite when those are all zero."""
    cosine: float
    """Cosine of the angle between old and new values; NaN when one side is all zero."""
    share: float
    """Share of the entries that are not the same."""


@dataclass(frozen=True, slots=True)
class VariableChange:
    """A variable of a layer that both models have. `path` is the layer's path in the new model."""

    path: str
    variable: str
    key: str
    status: Status
    old_shape: tuple[int, ...] | None = None
    new_shape: tuple[int, ...] | None = None
    old_dtype: str | None = None
    new_dtype: str | None = None
    statistics: Statistics | None = None


@dataclass(frozen=True)
class Diff(InNotebook):
    """The difference between two models. Paths are those of the new model, except in `removed` and `Rename.old`."""

    old: ModelSpec = field(repr=False, compare=False)
    new: ModelSpec = field(repr=False, compare=False)
    pairs: Mapping[str, str] = field(repr=False, compare=False)
    """Which layer of the new model each layer of the old one became, by path."""
    added: tuple[LayerEntry, ...] = ()
    removed: tuple[LayerEntry, ...] = ()
    changed: tuple[ConfigChange, ...] = ()
    renamed: tuple[Rename, ...] = ()
    rewired: tuple[Rewiring, ...] = ()
    trainability: tuple[TrainabilityChange, ...] = ()
    weights: tuple[VariableChange, ...] = ()
    """Variables that are not equal."""
    equal_variables: int = 0
    """How many variables are equal bit for bit; of those whose values were not compared, shape and dtype."""
    values_compared: bool = False
    size: tuple[int, int] = (0, 0)
    """Bytes of all variables, before and after."""
    file_size: tuple[int | None, int | None] = (None, None)
    """Bytes of the files, before and after; None for a model that is not written yet."""

    @property
    def identical(self) -> bool:
        """Whether nothing at all was found. How the models were compiled, and what they are called, does not count."""
        lists = (self.added, self.removed, self.changed, self.renamed, self.rewired, self.trainability, self.weights)
        return not any(lists)

    def to_json(self) -> DiffDocument:
        """The document of `surgery diff --json`."""
        from surgery.model.changes.document import diff_document

        return diff_document(self)
