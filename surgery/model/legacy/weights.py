"""Which weight of an old file is which variable of Keras 3.

Keras 1 and 2 keep a flat list for each layer of the model: trainable weights first, then the others. For a nested model
that is one list over all its layers, whose order changes when some are frozen; there the names decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from surgery.errors import ModelInvalid, ModelUnsupported
from surgery.model.archive.groups import group_names, snake_case
from surgery.model.archive.values import Place
from surgery.model.config import from_config
from surgery.model.config.nodes import has_layers
from surgery.model.legacy.conversions import convert_weights, sides, size_of, size_of_forward
from surgery.model.legacy.h5 import OldFile, Saved
from surgery.model.legacy.keras2 import plain_name
from surgery.model.shapes.rules import nested_layer
from surgery.model.spec import LayerSpec, ModelSpec, WeightSpec, join_path
from surgery.model.weights import Stored

Places = dict[tuple[str, str], Place]
Variables = dict[str, list[WeightSpec]]

PARTS_OF_ATTENTION = ("query_dense", "key_dense", "value_dense", "output_dense")
CELLS = frozenset({"LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})


@dataclass(frozen=True, slots=True)
class Unit:
    """A layer that has variables of its own, somewhere below a layer of the model."""

    path: str
    """Of the layer that the variables belong to in a ModelSpec."""
    prefix: str
    """Of its keys: a layer inside a wrapper is no layer of the spec."""
    class_name: str
    config: Mapping[str, Any]
    scope: tuple[str, ...]
    """The names on the way to it."""


def attach_old(spec: ModelSpec, file: OldFile) -> tuple[ModelSpec, Places]:
    """The model with the variables of an old file.

    Args:
        spec: The model, without weights.
        file: The file.

    Raises:
        ModelInvalid: weights of a layer that the model does not have, or more or fewer than it can have.
    """
    layers = {layer.name: layer for layer in spec.layers}
    places: Places = {}
    variables: Variables = {}
    for old_name, saved in file.weights.items():
        if not saved:
            continue
        layer = layers.get(plain_name(old_name))
        if layer is None:
            raise ModelInvalid(f"the file has weights of a layer '{old_name}' which its model does not have")
        for unit, mine in _distribute(layer, saved):
            _place(unit, mine, file, places, variables)
    return _with_variables(spec, variables), places


def _place(unit: Unit, saved: list[Saved], file: OldFile, places: Places, variables: Variables) -> None:
    if unit.class_name == "SpectralNormalization":  # when it is frozen, its own variable comes first
        saved = sorted(saved, key=lambda item: "vector_u" in item.name)
    converted = convert_weights(unit.class_name, unit.config, [item.block for item in saved], file)
    for key, place in zip(_keys(unit, len(converted)), converted, strict=True):
        full = unit.prefix + key
        places[unit.path, full] = place
        source = Stored(unit.path, full, place.shape, place.dtype)
        weight = WeightSpec(full, key.rpartition("/")[2], place.shape, place.dtype, True, source)
        variables.setdefault(unit.path, []).append(weight)


def _with_variables(spec: ModelSpec, variables: Variables, inside: str = "") -> ModelSpec:
    layers = []
    for layer in spec.layers:
        path = join_path(inside, layer.name)
        if layer.inner:
            layer = replace(layer, inner=_with_variables(layer.inner, variables, path))
        layers.append(replace(layer, weights=tuple(variables.get(path, ()))))
    return replace(spec, layers=tuple(layers))


def _distribute(layer: LayerSpec, saved: tuple[Saved, ...]) -> list[tuple[Unit, list[Saved]]]:
    """The units of a layer with the weights of each."""
    units = list(units_of(layer))
    if len(units) == 1:
        return [(units[0], list(saved))]
    owners = [_owner(item.name, units) for item in saved]
    unknown = [item.name for item, owner in zip(saved, owners, strict=True) if owner is None]
    if unknown:
        raise ModelUnsupported(
            f"the names do not tell which layers of '{layer.name}' the weights {', '.join(unknown)} belong to",
            expected="weights named after their layers",
            fix="load the model in the Keras that wrote it, and save it as .keras",
        )
    found = _in_order(units, saved, [owner for owner in owners if owner])
    return [(unit, [item for item, owner in zip(saved, found, strict=True) if owner is unit]) for unit in units]


def _in_order(units: list[Unit], saved: Sequence[Saved], owners: list[Unit]) -> list[Unit]:
    """The owners by the names of weights, unless layers of one class and size stand there in another order than in the model.

    Keras 2 never looked at the names of weights, and a layer may have got another's name after it was built.
    """
    runs: list[list[int]] = []
    for position, owner in enumerate(owners):
        if not runs or owners[runs[-1][-1]] is not owner:
            runs.append([])
        runs[-1].append(position)
    sizes: dict[tuple[bool, int], list[tuple[int, ...]]] = {}
    for run in runs:
        number = units.index(owners[run[0]])
        is_last = (False, number) in sizes or not owners[run[0]].config.get("trainable", True)
        sizes[is_last, number] = [saved[position].block.shape for position in run]
    found = list(owners)
    for run, rank, before in zip(runs, sorted(sizes), sizes, strict=False):
        unit = units[rank[1]]
        if len(sizes) < len(runs) or unit.class_name != owners[run[0]].class_name or sizes[rank] != sizes[before]:
            return owners
        found[run[0] : run[-1] + 1] = [unit] * len(run)
    return found


def _owner(name: str, units: list[Unit]) -> Unit | None:
    """The unit whose names the weight's name has most of, when there is only one."""
    if "/" not in name:
        return _owner_by_beginning(name, units)
    parts = [plain_name(part) for part in name.split("/")[:-1]]
    slashed = plain_name("/".join(parts))
    scores = {id(unit): _score(unit, parts, slashed) for unit in units}
    best = max(scores.values(), default=0)
    winners = [unit for unit in units if scores[id(unit)] == best]
    return winners[0] if best and len(winners) == 1 else None


def _owner_by_beginning(name: str, units: list[Unit]) -> Unit | None:
    """In Keras 1 the name of a weight begins with that of its layer: `dense_1_W`."""
    fitting = [unit for unit in units if plain_name(name).startswith(f"{unit.scope[-1]}_")]
    longest = max((len(unit.scope[-1]) for unit in fitting), default=0)
    winners = [unit for unit in fitting if len(unit.scope[-1]) == longest]
    return winners[0] if len(winners) == 1 else None


def _score(unit: Unit, parts: list[str], whole: str) -> int:
    if unit.scope[-1] in parts:
        return 1 + sum(name in parts for name in unit.scope)
    return int(whole == unit.scope[-1])


def units_of(layer: LayerSpec, path: str = "", prefix: str = "", scope: tuple[str, ...] = ()) -> Iterator[Unit]:
    """The layers with variables of their own, below one layer of the model. What is in a wrapper has no path, but a prefix."""
    path, scope = path or layer.name, (*scope, layer.name)
    if layer.inner:
        groups = group_names(layer.inner)
        for inner in layer.inner.listed:
            if not inner.is_input and prefix:
                yield from units_of(inner, path, f"{prefix}layers/{groups[inner.name]}/", scope)
            elif not inner.is_input:
                yield from units_of(inner, join_path(path, inner.name), "", scope)
        return
    wrapped = layer.config.get("layer")
    if layer.class_name == "TimeDistributed" and isinstance(wrapped, Mapping):
        yield from units_of(wrapped_layer(wrapped), path, f"{prefix}layer/", scope)
        return
    yield Unit(path, prefix, layer.class_name, layer.config, scope)


def wrapped_layer(document: Mapping[str, Any]) -> LayerSpec:
    """The layer or model inside a wrapper."""
    layer = nested_layer(document)
    return replace(layer, inner=from_config(document)) if has_layers(document) else layer


def _keys(unit: Unit, count: int) -> list[str]:
    return [prefix + key for prefix, key in _plan(unit.class_name, unit.config, count)]


def _plan(class_name: str, config: Mapping[str, Any], count: int) -> list[tuple[str, str]]:
    """Where Keras 3 keeps the variables of a layer: prefix and key of each, in Keras 2's order."""
    if class_name == "Bidirectional":
        forward, backward = sides(config)
        half = size_of_forward(config, count)
        there = _plan(forward["class_name"], forward["config"], half)
        back = _plan(backward["class_name"], backward["config"], count - half)
        return [
            (side + prefix, key)
            for side, plan in (("forward_layer/", there), ("backward_layer/", back))
            for prefix, key in plan
        ]
    if class_name == "SpectralNormalization" and isinstance(config.get("layer"), Mapping):
        inner = config["layer"]
        of_layer = _plan(inner["class_name"], inner["config"], count - 2)
        return [("", "vars/0"), ("", "vars/1"), *((f"layer/{prefix}", key) for prefix, key in of_layer)]
    if class_name == "MultiHeadAttention":
        each = count // len(PARTS_OF_ATTENTION)
        return [(f"{part}/", f"vars/{n}") for part in PARTS_OF_ATTENTION for n in range(each)]
    if class_name == "RNN" and isinstance(config.get("cell"), Mapping):
        return _cell_plan(config["cell"], "cell/", count)
    prefix = "cell/" if class_name in CELLS else ""
    return [(prefix, f"vars/{n}") for n in range(count)]


def _cell_plan(cell: Mapping[str, Any], prefix: str, count: int) -> list[tuple[str, str]]:
    cells = cell["config"].get("cells")
    if not cells:
        return [(prefix, f"vars/{n}") for n in range(count)]
    counts: dict[str, int] = {}
    plan = []
    for inner in cells:
        snake = snake_case(inner["class_name"])
        number = counts[snake] = counts.get(snake, -1) + 1
        name = f"{snake}_{number}" if number else snake
        plan += _cell_plan(inner, f"{prefix}cells/{name}/", size_of(inner))
    return plan
