"""Recipes on live Keras models, without files: the model's own JSON is planned, and the result is filled from the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import keras
import numpy as np

from surgery.api import KerasWhenAsked
from surgery.errors import Location, raise_all
from surgery.execution.build import build_structure, fill
from surgery.execution.fill import LedgerValues
from surgery.execution.variables import LiveValues
from surgery.model.config import from_config
from surgery.model.library import Library
from surgery.model.prove import Ask, prove
from surgery.model.spec import ModelSpec
from surgery.model.weights import Stored
from surgery.operations import registry
from surgery.planning.simulate import Simulation

SEED = 0

Entry = Mapping[str, Any]
"""One operation as a recipe has it."""


def spec_of(model: Any, ask: Ask | None = None) -> ModelSpec:
    """What we make of a model's JSON: proved, every variable known as stored in the model."""
    return _stored(prove(from_config(json.loads(model.to_json())), ask, again=True))


def _stored(model: ModelSpec, prefix: str = "") -> ModelSpec:
    layers = tuple(
        replace(
            layer,
            origin=prefix + layer.name,
            weights=tuple(
                replace(weight, source=Stored(prefix + layer.name, weight.key, weight.shape, weight.dtype))
                for weight in layer.weights
            ),
            inner=_stored(layer.inner, f"{prefix}{layer.name}/") if layer.inner else None,
        )
        for layer in model.layers
    )
    return replace(model, layers=layers)


def operated(spec: ModelSpec, entries: Sequence[Entry]) -> ModelSpec:
    """The model after operations."""
    operations = [registry()[entry["op"]].model_validate(entry) for entry in entries]
    simulation = Simulation(
        spec, operations, lambda number, *_, **__: Location("recipe.yaml"), partial(prove, ask=KerasWhenAsked().ask)
    )
    simulation.run()
    raise_all(simulation.errors)
    return simulation.model


class ModelLibrary:
    """A live model where a plan has a library of files."""

    def __init__(self, model: Any, spec: ModelSpec) -> None:
        self._values = LiveValues(model, spec)

    def read(self, stored: Stored) -> np.ndarray[Any, Any]:
        return self._values[stored.path, stored.key]


def values_of(model: Any, source: ModelSpec, result: ModelSpec) -> LedgerValues:
    """The variables of a result, from the live model that it was planned for."""
    return LedgerValues(result, cast(Library, ModelLibrary(model, source)), SEED)


def rebuilt(model: Any, source: ModelSpec, result: ModelSpec) -> Any:
    """The Keras model of a result, its variables from the live model that it was planned for."""
    built = build_structure(result, SEED)
    fill(built, result, values_of(model, source, result))
    return built


def surgery_on(model: Any, entries: Sequence[Entry] = ()) -> Any:
    """A Keras model after operations."""
    spec = spec_of(model, KerasWhenAsked().ask)
    return rebuilt(model, spec, operated(spec, entries))


def outputs_of(model: Any, inputs: Any) -> list[np.ndarray[Any, Any]]:
    """What a model predicts, flat."""
    return [
        np.asarray(keras.ops.convert_to_numpy(tensor)) for tensor in keras.tree.flatten(model(inputs, training=False))
    ]


def assert_same_bits(one: Sequence[np.ndarray[Any, Any]], other: Sequence[np.ndarray[Any, Any]]) -> None:
    """The same predictions, finite ones."""
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        assert np.isfinite(first).all()
        assert np.array_equal(first, second), f"differ by {np.abs(first - second).max()}"
