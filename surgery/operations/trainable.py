"""How `freeze` and `unfreeze` set the flag, nested models and all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surgery.model.catalogue import find
from surgery.model.edits import Edit, UpdateConfig
from surgery.model.spec import LayerSpec, ModelSpec


def set_trainable(model: ModelSpec, paths: Sequence[str], value: bool) -> Iterator[Edit]:
    """One edit for each layer whose flag is another; what a nested model holds goes with it, as in Keras.

    A layer inside a frozen model does not train, whatever its own flag: to unfreeze it, the model is unfrozen, too.
    """
    seen: set[str] = set()
    for path in paths:
        around = [(above, model[above]) for above in _above(path)] if value else []
        for inner_path, layer in (*around, *_with_inner(path, model[path])):
            if inner_path not in seen and keeps_flag(layer):
                seen.add(inner_path)
                if layer.trainable is not value:
                    yield UpdateConfig(inner_path, {"trainable": value})


def keeps_flag(layer: LayerSpec) -> bool:
    """Whether a layer of its class has the flag in its config. SpatialDropout1D does not take it. Keras 3.15."""
    known = find("layers", layer.class_name)
    return layer.is_layer and not (known and "trainable" in known.omits)


def _above(path: str) -> list[str]:
    """`a/b/c` is in `a` and in `a/b`."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _with_inner(path: str, layer: LayerSpec) -> Iterator[tuple[str, LayerSpec]]:
    yield path, layer
    if layer.inner:
        yield from layer.inner.walk(f"{path}/")
