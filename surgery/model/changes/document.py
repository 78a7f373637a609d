"""A Diff as a JSON document. The types are its published JSON Schema, too."""

from __future__ import annotations

import math
from typing import Any, NotRequired

from typing_extensions import TypedDict

from surgery.model.changes.difference import ABSENT, Diff, Evidence, KeyChange, LayerEntry, Status, VariableChange
from surgery.model.documented import documented


@documented
class LayerDocument(TypedDict):
    """A layer that only one of the models has; a nested model stands for its layers."""

    path: str
    """Its path in the model that has it."""
    class_name: str
    """Its Keras class."""
    parameters: int
    """How many numbers its variables hold."""
    inputs: list[str]
    """The paths of the layers that feed it."""
    arguments: dict[str, Any]
    """Its constructor arguments that are not at their default."""
    calls: NotRequired[list[dict[str, Any]]]
    """The arguments of each of its calls that are not at their default, where there are any: `training`."""


@documented
class KeyDocument(TypedDict):
    """A constructor argument with another value."""

    key: str
    """The argument; inside an object with a dot: `kernel_initializer.seed`."""
    old: NotRequired[Any]
    """Its value before; left out where the layer did not have it."""
    new: NotRequired[Any]
    """Its value after; left out where the layer does not have it any more."""


@documented
class ConfigDocument(TypedDict):
    """A layer that is configured otherwise."""

    path: str
    """Its path in the new model; empty for the model itself."""
    class_name: str
    """Its Keras class in the new model."""
    values: list[KeyDocument]
    """What is different."""


@documented
class RenameDocument(TypedDict):
    """A layer that is the same under another path."""

    old: str
    """Its path in the old model."""
    new: str
    """Its path in the new model."""
    class_name: str
    """Its Keras class."""
    by: Evidence
    """By what it was recognised. A layer with weights goes by its position only where no values are compared."""


@documented
class RewiringDocument(TypedDict):
    """A layer that is fed by other tensors."""

    path: str
    """Its path in the new model."""
    old: list[str]
    """What fed it, by the paths of the old model."""
    new: list[str]
    """What feeds it now."""


@documented
class TrainabilityDocument(TypedDict):
    """A layer that was frozen or unfrozen."""

    path: str
    """Its path in the new model; empty for the model itself."""
    old: bool
    """Its flag before."""
    new: bool
    """Its flag after."""


@documented
class ShapeDocument(TypedDict):
    """A shape before and after."""

    old: list[int] | None
    """Before; null where there was no such variable."""
    new: list[int] | None
    """After; null where there is no such variable."""


@documented
class TypeDocument(TypedDict):
    """A dtype before and after."""

    old: str | None
    """Before; null where there was no such variable."""
    new: str | None
    """After; null where there is no such variable."""


@documented
class VariableDocument(TypedDict):
    """A variable, of a layer that both models have, that is not equal bit for bit."""

    path: str
    """The layer's path in the new model."""
    variable: str
    """The variable's Keras name: kernel, bias, gamma."""
    key: str
    """Where the archive stores it below its layer."""
    status: Status
    """What became of it."""
    shape: ShapeDocument
    """Its shape."""
    dtype: TypeDocument
    """Its dtype."""
    relative_norm: NotRequired[float | None]
    """Norm of the difference over the norm of the old values; null when those are all zero."""
    cosine: NotRequired[float | None]
    """Cosine of the angle between old and new values; null when one side is all zero."""
    share: NotRequired[float]
    """The share of its entries that are not the same, from 0 to 1."""


@documented
class AmountDocument(TypedDict):
    """A number before and after."""

    before: int
    """In the old model."""
    after: int
    """In the new model."""


@documented
class FileSizeDocument(TypedDict):
    """Bytes of a file before and after."""

    before: int | None
    """Of the old model; null when it is what a recipe would make."""
    after: int | None
    """Of the new model; null when it is what a recipe would make."""


@documented
class DiffDocument(TypedDict):
    """What `surgery diff --json` prints."""

    identical: bool
    """Whether all lists are empty. How the models were compiled, and what they are called, does not count."""
    added: list[LayerDocument]
    """Layers that only the new model has."""
    removed: list[LayerDocument]
    """Layers that only the old model has."""
    changed: list[ConfigDocument]
    """Layers that are configured otherwise."""
    renamed: list[RenameDocument]
    """Layers that are the same under another path."""
    rewired: list[RewiringDocument]
    """Layers that are fed by other tensors."""
    trainability: list[TrainabilityDocument]
    """Layers that were frozen or unfrozen."""
    weights: list[VariableDocument]
    """Variables that are not equal."""
    equal_variables: int
    """How many variables are equal bit for bit."""
    values_compared: bool
    """Whether values were compared; if not, only shapes and dtypes were."""
    parameters: AmountDocument
    """How many numbers all variables hold."""
    trainable_parameters: AmountDocument
    """How many of them training would change."""
    size: AmountDocument
    """Bytes of all variables."""
    file_size: FileSizeDocument
    """Bytes of the files."""


def diff_document(diff: Diff) -> DiffDocument:
    """The document of a Diff."""
    old, new = diff.old, diff.new
    return {
        "identical": diff.identical,
        "added": [_layer(entry) for entry in diff.added],
        "removed": [_layer(entry) for entry in diff.removed],
        "changed": [
            {"path": change.path, "class_name": change.class_name, "values": [_key(value) for value in change.values]}
            for change in diff.changed
        ],
        "renamed": [
            {"old": one.old, "new": one.new, "class_name": one.class_name, "by": one.by} for one in diff.renamed
        ],
        "rewired": [{"path": one.path, "old": list(one.old), "new": list(one.new)} for one in diff.rewired],
        "trainability": [{"path": one.path, "old": one.old, "new": one.new} for one in diff.trainability],
        "weights": [_variable(change) for change in diff.weights],
        "equal_variables": diff.equal_variables,
        "values_compared": diff.values_compared,
        "parameters": {"before": old.parameters, "after": new.parameters},
        "trainable_parameters": {"before": old.trainable_parameters, "after": new.trainable_parameters},
        "size": {"before": diff.size[0], "after": diff.size[1]},
        "file_size": {"before": diff.file_size[0], "after": diff.file_size[1]},
    }


def _layer(entry: LayerEntry) -> LayerDocument:
    document: LayerDocument = {
        "path": entry.path,
        "class_name": entry.class_name,
        "parameters": entry.parameters,
        "inputs": list(entry.inputs),
        "arguments": dict(entry.arguments),
    }
    if entry.calls:
        document["calls"] = [dict(call) for call in entry.calls]
    return document


def _key(change: KeyChange) -> KeyDocument:
    document: KeyDocument = {"key": change.key}
    if change.old is not ABSENT:
        document["old"] = change.old
    if change.new is not ABSENT:
        document["new"] = change.new
    return document


def _variable(change: VariableChange) -> VariableDocument:
    document: VariableDocument = {
        "path": change.path,
        "variable": change.variable,
        "key": change.key,
        "status": change.status,
        "shape": {"old": _listed(change.old_shape), "new": _listed(change.new_shape)},
        "dtype": {"old": change.old_dtype, "new": change.new_dtype},
    }
    if change.statistics:
        document["relative_norm"] = _finite(change.statistics.relative_norm)
        document["cosine"] = _finite(change.statistics.cosine)
        document["share"] = change.statistics.share
    return document


def _listed(shape: tuple[int, ...] | None) -> list[int] | None:
    return None if shape is None else list(shape)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
