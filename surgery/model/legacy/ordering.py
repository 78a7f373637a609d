"""What files of Keras 1 do not say of themselves: the order of axes of some layers, and the names of models in a Sequential.

Keras 1 had one order of axes for all images, `th` or `tf`. Convolutions and pooling wrote theirs; padding, cropping and
upsampling used it and wrote nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from surgery.model.legacy.objects import Problems

ORDER = "dim_ordering"
SILENT = frozenset(
    f"{kind}{rank}D" for kind in ("ZeroPadding", "Cropping", "UpSampling", "SpatialDropout") for rank in (2, 3)
)


def with_order(document: Mapping[str, Any], problems: Problems) -> Any:
    """The config in which every layer says its order of axes.

    Args:
        document: A model of Keras 1.
        problems: Gets the layers whose order nothing tells.
    """
    said = {str(layer["config"][ORDER]) for layer in _layers(document) if ORDER in layer["config"]} - {"default"}
    silent = [layer for layer in _layers(document) if layer["class_name"] in SILENT and ORDER not in layer["config"]]
    if len(said) != 1:
        for layer in silent:
            problems.add(
                f"the order of axes of '{layer['config'].get('name')}' ({layer['class_name']}), which no layer tells"
            )
        return document
    return _told(document, said.pop(), {id(layer) for layer in silent})


def _told(value: Any, order: str, silent: set[int]) -> Any:
    if isinstance(value, list):
        return [_told(item, order, silent) for item in value]
    if not isinstance(value, Mapping):
        return value
    told = {key: _told(item, order, silent) for key, item in value.items()}
    return {**told, "config": {**told["config"], ORDER: order}} if id(value) in silent else told


def _layers(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every layer of a document, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _layers(item)
    elif isinstance(value, Mapping):
        if "class_name" in value and isinstance(value.get("config"), Mapping):
            yield value
        for item in value.values():
            yield from _layers(item)


def with_names(document: Mapping[str, Any], saved: Sequence[str]) -> Mapping[str, Any]:
    """The config in which the models of a Sequential have names: Keras 1 wrote none for those that are Sequential themselves.

    Args:
        document: A model of Keras 1.
        saved: The layers of which the file has weights, in their order.
    """
    layers = document.get("config")
    if not isinstance(layers, list):
        return document
    names = saved if len(saved) == len(layers) else [f"sequential_{number}" for number in range(1, len(layers) + 1)]
    return {**document, "config": [_named(layer, name) for layer, name in zip(layers, names, strict=True)]}


def _named(layer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if not isinstance(layer.get("config"), list):
        return layer
    inside = [_named(inner, f"{name}_{number}") for number, inner in enumerate(layer["config"], 1)]
    return {"name": name, **layer, "config": inside}
