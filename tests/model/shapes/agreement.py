"""Compares a static rule with Keras: outputs, variables, and the keys under which Keras' own saver stores them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
from keras.src.saving import saving_lib

from surgery.errors import ShapeMismatch
from surgery.model import shapes
from surgery.model.shapes import Built
from surgery.model.spec import Call, LayerSpec, TensorRef, TensorSpec
from tests.model.keras_objects import made

LISTS = {
    "Add",
    "Subtract",
    "Multiply",
    "Average",
    "Maximum",
    "Minimum",
    "Concatenate",
    "Dot",
    "Attention",
    "AdditiveAttention",
}
"""Classes that are called with a list of tensors."""

Tensor = tuple[int | str | None, ...]
"""A shape, perhaps with a dtype at its end."""


@dataclass(frozen=True)
class Case:
    """A layer, as a recipe writes it, and the tensors that it gets."""

    layer: Mapping[str, Any]
    inputs: tuple[Tensor, ...]

    def __str__(self) -> str:
        return f"{json.dumps(self.layer)} {' '.join(map(str, self.inputs))}"

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        return tuple(_spec(tensor) for tensor in self.inputs)

    @property
    def is_list(self) -> bool:
        return next(iter(self.layer)) in LISTS


def cases(class_name: str, inputs: Sequence[Sequence[Tensor]], *configs: Mapping[str, Any]) -> list[Case]:
    """Every config of a class with every list of inputs."""
    return [Case({class_name: dict(config)}, tuple(tensors)) for config in configs or ({},) for tensors in inputs]


def by_class(every: Sequence[Case]) -> dict[str, list[Case]]:
    """The cases of each class: a test of many cases costs one fresh Keras session."""
    groups: dict[str, list[Case]] = {}
    for case in every:
        groups.setdefault(next(iter(case.layer)), []).append(case)
    return groups


def assert_agreement(every: Sequence[Case], folder: Path) -> None:
    """In each case the rule says what Keras says, or refuses what Keras refuses."""
    found = {str(case): disagreement(case, folder) for case in every}
    assert {case: what for case, what in found.items() if what} == {}


def disagreement(case: Case, folder: Path) -> dict[str, Any] | str | None:
    """What the rule and Keras say differently, each as (rule, Keras)."""
    layer = made("layers", case.layer)
    spec = layer_spec(layer)
    outputs = called(layer, case)
    if outputs is None:
        return None if refuses(spec, case) else "Keras refuses this, the rule does not"
    try:
        built = built_by_rule(spec, case)
    except ShapeMismatch as error:
        return f"refused: {error.what}"
    if built is None:
        return "no rule"
    pairs = {
        "outputs": (list(built.outputs), outputs),
        "variables": (described(built), variables_of(layer)),
        "keys": (sorted((v.key, v.shape) for v in built.variables), stored_keys(layer, folder / "layer.h5")),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]} or None


def layer_spec(layer: Any) -> LayerSpec:
    """The layer as a model file would have it."""
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    return LayerSpec("layer", saved["class_name"], saved["config"], saved["module"], saved["registered_name"])


def called(layer: Any, case: Case) -> list[TensorSpec] | None:
    """The outputs of a symbolic call; None where Keras refuses the inputs, in whichever way it does."""
    tensors = [keras.KerasTensor(spec.shape, dtype=spec.dtype) for spec in case.specs]
    try:
        result = layer(tensors) if case.is_list else layer(*tensors)
    except (ValueError, TypeError, IndexError):
        return None
    return [TensorSpec(tuple(t.shape), keras.backend.standardize_dtype(t.dtype)) for t in keras.tree.flatten(result)]


def built_by_rule(spec: LayerSpec, case: Case) -> Built | None:
    refs = tuple(TensorRef(f"input_{index}") for index in range(len(case.inputs)))
    return shapes.build(spec, case.specs, Call(args=(list(refs),) if case.is_list else refs))


def refuses(spec: LayerSpec, case: Case) -> bool:
    try:
        built_by_rule(spec, case)
    except ShapeMismatch:
        return True
    return False


def described(built: Built) -> list[tuple[str, tuple[int, ...], str, bool]]:
    return [(v.name, v.shape, v.dtype, v.trainable) for v in built.variables]


def variables_of(layer: Any) -> list[tuple[str, tuple[int, ...], str, bool]]:
    """Keras' variables; seed generators stand in `variables` and in no file."""
    own = [v for v in layer.variables if "seed_generator" not in v.path]
    return [(v.name, tuple(v.shape), v.dtype, v.trainable) for v in own]


def stored_keys(layer: Any, path: Path) -> list[tuple[str, tuple[int, ...]]]:
    """What Keras' saver writes below the layer's group."""
    store = saving_lib.H5IOStore(str(path), mode="w")
    saving_lib._save_state(layer, store, None, inner_path="layer", visited_saveables=set())
    store.close()
    found: list[tuple[str, tuple[int, ...]]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append((name.removeprefix("layer/"), item.shape))

    with h5py.File(path) as file:
        file.visititems(visit)
    return sorted(found)


def _spec(tensor: Tensor) -> TensorSpec:
    *shape, last = tensor
    if isinstance(last, str):
        return TensorSpec(tuple(shape), last)  # type: ignore[arg-type]
    return TensorSpec(tensor)  # type: ignore[arg-type]
