"""The order of layers that ranges and indices of a recipe mean: that of the source, with what the recipe adds in between.

Keras sorts `model.layers` anew whenever a layer joins: a Dropout behind one of ten branches moves the other nine. A range that
meant eleven layers would mean two beside it. See `docs/decisions/0041-ranges-mean-the-order-of-the-source.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from surgery.model.edits import Edit, RenameLayer
from surgery.model.spec import ModelSpec, join_path, split_path


def in_recipe_order(before: ModelSpec, after: ModelSpec, edits: Iterable[Edit]) -> ModelSpec:
    """A model after an operation, with the order that its layers have for the recipe.

    Args:
        before: The model before it.
        after: The model after it, its layers in Keras' order.
        edits: What the operation did.
    """
    renames: dict[str, dict[str, str]] = {}
    for edit in edits:
        if isinstance(edit, RenameLayer):
            inside, name = split_path(edit.path)
            renames.setdefault(inside, {})[name] = edit.name
    return _ordered(before, after, "", renames)


def _ordered(before: ModelSpec, after: ModelSpec, inside: str, renames: Mapping[str, Mapping[str, str]]) -> ModelSpec:
    names = renames.get(inside, {})
    old = {names.get(layer.name, layer.name): layer for layer in before.layers}
    layers = []
    for layer in after.layers:
        was = old.get(layer.name)
        if layer.inner and was and was.inner:
            inner = _ordered(was.inner, layer.inner, join_path(inside, was.name), renames)
            layers.append(layer if inner is layer.inner else replace(layer, inner=inner))
        else:
            layers.append(layer)
    order = _placed([names.get(name, name) for name in before.recipe_order], after)
    is_same = order == after.recipe_order and all(one is other for one, other in zip(layers, after.layers, strict=True))
    return after if is_same else replace(after, layers=tuple(layers), order=order)


def _placed(order: list[str], after: ModelSpec) -> tuple[str, ...]:
    """Where each layer stands: new ones in the place of those that went, else before the first layer that reads them."""
    places = {name: place for place, name in enumerate(order)}
    hole = next((place for place, name in enumerate(order) if name not in after.by_name), None)
    ranks = {name: (place, 1, 0) for name, place in places.items() if name in after.by_name}
    added = [layer.name for layer in after.layers if layer.name not in places]
    for rank, name in reversed(list(enumerate(added))):
        readers = (places[reader] for reader in after.readers.get(name, ()) if reader in places)
        places[name] = min(readers, default=len(order)) if hole is None else hole
        ranks[name] = (places[name], 0, rank)
    return tuple(sorted(ranks, key=ranks.__getitem__))
