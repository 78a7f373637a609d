"""The `.keras` of Keras 2: the same archive as that of Keras 3, with groups named after classes that have gone since."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from surgery.model.archive.groups import attach
from surgery.model.archive.values import Place
from surgery.model.config import from_config
from surgery.model.hdf5 import Group
from surgery.model.legacy.conversions import refolded
from surgery.model.legacy.keras2 import plain_name
from surgery.model.legacy.layers import CLASSES
from surgery.model.spec import LayerSpec, ModelSpec, WeightSpec, join_path
from surgery.model.weights import Stored

Places = dict[tuple[str, str], Place]

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
    spec, blocks = attach(from_config(converted), _without_operations(root), classes=dict(_classes(old)))
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
