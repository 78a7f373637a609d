"""How `freeze` and `unfreeze` set the flag, nested models and all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surgery.model.edits import Edit, UpdateConfig
from surgery.model.spec import LayerSpec, ModelSpec


def set_trainable(model: ModelSpec, paths: Sequence[str], value: bool) -> Iterator[Edit]:
    """One edit for each layer whose flag is another; what a nested model holds goes with it, as in Keras."""
    seen: set[str] = set()
    for path in paths:
        for inner_path, layer in _with_inner(path, model[path]):
            if inner_path not in seen and not layer.is_input:
                seen.add(inner_path)
                if layer.trainable is not value:
                    yield UpdateConfig(inner_path, {"trainable": value})


def _with_inner(path: str, layer: LayerSpec) -> Iterator[tuple[str, LayerSpec]]:
    yield path, layer
    if layer.inner:
        yield from layer.inner.walk(f"{path}/")
