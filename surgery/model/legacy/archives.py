"""The `.keras` of Keras 2: the same archive as that of Keras 3, with groups named after classes that have gone since."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from surgery.errors import ModelInvalid
from surgery.model.archive.groups import attach, group_names, snake_case
from surgery.model.archive.values import Place
from surgery.model.config import from_config
from surgery.model.hdf5 import Group
from surgery.model.legacy.conversions import refolded
from surgery.model.legacy.keras2 import plain_name
from surgery.model.legacy.layers import CLASSES
from surgery.model.legacy.weights import wrapped_layer
from surgery.model.spec import LayerSpec, ModelSpec, WeightSpec, join_path
from surgery.model.weights import Stored

Places = dict[tuple[str, str], Place]

DEPENDENCIES = "_layer_checkpoint_dependencies"
"""Under which Keras 2.12 to 2.14 have what is in `layers` since."""

OPERATION = re.compile(r"(tf|slicing)_op_lambda(_\d+)?")
"""The groups of what was a layer there, and is a bare operation in Keras 3."""


def attach_archive(old: Mapping[str, Any], converted: Mapping[str, Any], root: Group) -> tuple[ModelSpec, Places]:
    """The model of an archive of Keras 2, and where its variables are.

    Args:
        old: The config in the archive.
        converted: The same as Keras 3 writes it.
        root: The archive's weights.

    Raises:
        ModelInvalid, ModelUnsupported: as `attach`.
    """
    spec, classes = from_config(converted), dict(_classes(old))
    spec, blocks = attach(spec, _settled(spec, _without_operations(root), classes), classes=classes)
    places = {variable: Place((block,)) for variable, block in blocks.items()}
    for path, layer in spec.walk():
        conversion = refolded(layer.class_name, layer.config)
        if conversion:
            places |= {(path, w.key): replace(places[path, w.key], convert=conversion) for w in layer.weights}
    return _with_shapes(spec, places), places


def _classes(document: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, str]]:
    """The old names of classes, by layer path."""
    for entry in document["config"].get("layers", ()):
        path = join_path(inside, plain_name(entry.get("name") or entry["config"].get("name")))
        if entry["class_name"] in CLASSES:
            yield path, entry["class_name"]
        if isinstance(entry["config"].get("layers"), list):
            yield from _classes(entry, path)


def _settled(spec: ModelSpec, group: Group, classes: Mapping[str, str], inside: str = "") -> Group:
    """The groups of a model under their later names.

    Keras 2.12 and 2.13 met each layer that has weights twice, and counted it twice; Keras 2.14 once.
    """
    if DEPENDENCIES not in group.groups:
        return group
    had = group.groups[DEPENDENCIES].groups
    full = {name for name, one in had.items() if next(one.walk(), None) is not None}
    names = _counted(spec, full, classes, inside)
    if full - set(names.values()):
        names = group_names(spec, inside, classes)
    lost = sorted(full - set(names.values()))
    if lost:
        raise ModelInvalid(
            f"the weights of '{spec.name}' are in groups whose names no layer has: {', '.join(lost)}",
            expected="groups as Keras 2.12 to 2.14 named them",
            fix="load the model in the Keras that wrote it, and save it as .h5",
        )
    groups = {
        new: _inside(spec.by_name[name], had[names[name]], classes, join_path(inside, name))
        for name, new in group_names(spec, inside, classes).items()
        if names[name] in had
    }
    others = {name: other for name, other in group.groups.items() if name != DEPENDENCIES}
    return replace(group, groups={**others, "layers": Group(groups=groups)})


def _counted(spec: ModelSpec, full: Collection[str], classes: Mapping[str, str], inside: str) -> dict[str, str]:
    """The group of each layer where one of those that hold weights counts twice."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for layer in spec.listed:
        snake = snake_case(classes.get(join_path(inside, layer.name), layer.class_name))
        count = counts.get(snake, 0)
        names[layer.name] = f"{snake}_{count}" if count else snake
        counts[snake] = count + 1 + (names[layer.name] in full)
    return names


def _inside(layer: LayerSpec, group: Group, classes: Mapping[str, str], path: str) -> Group:
    """The group of a layer, which may be a model or hold one."""
    if layer.inner:
        return _settled(layer.inner, group, classes, path)
    wrapped = layer.config.get("layer")
    if isinstance(wrapped, Mapping) and "layer" in group.groups:
        inner = _inside(wrapped_layer(wrapped), group.groups["layer"], {}, "")
        return replace(group, groups={**group.groups, "layer": inner})
    return group


def _without_operations(group: Group) -> Group:
    kept = {
        name: _without_operations(inner)
        for name, inner in group.groups.items()
        if not (OPERATION.fullmatch(name) and next(inner.walk(), None) is None)
    }
    return replace(group, groups=kept)


def _with_shapes(spec: ModelSpec, places: Places, inside: str = "") -> ModelSpec:
    """The variables in the shapes that they are read in."""
    layers = [_shaped(layer, places, join_path(inside, layer.name)) for layer in spec.layers]
    return replace(spec, layers=tuple(layers))


def _shaped(layer: LayerSpec, places: Places, path: str) -> LayerSpec:
    if layer.inner:
        return replace(layer, inner=_with_shapes(layer.inner, places, path))

    def shaped(weight: WeightSpec) -> WeightSpec:
        shape = places[path, weight.key].shape
        source = weight.source
        return (
            replace(weight, shape=shape, source=replace(source, shape=shape)) if isinstance(source, Stored) else weight
        )

    return replace(layer, weights=tuple(map(shaped, layer.weights)))
