"""The layers of a model as selectors see them: by path, and by level (the model itself, and each nested one)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from surgery.model.spec import LayerSpec, ModelSpec, join_path


class Levels:
    """Every listed layer of a model. A level is the path of a nested model; the model's own is the empty path."""

    def __init__(self, model: ModelSpec) -> None:
        self.model = model
        self.layers: dict[str, LayerSpec] = {}
        self.level_of: dict[str, str] = {}
        self.at: dict[str, list[str]] = {}
        self._models: dict[str, ModelSpec] = {}
        self._collect(model, "")

    def _collect(self, model: ModelSpec, level: str) -> None:
        self._models[level] = model
        listed = self.at[level] = []
        listed_names = {layer.name for layer in model.listed}
        for layer in (model.by_name[name] for name in model.recipe_order if name in listed_names):
            path = join_path(level, layer.name)
            listed.append(path)
            self.layers[path] = layer
            self.level_of[path] = level
            if layer.inner:
                self._collect(layer.inner, path)

    @cached_property
    def position(self) -> dict[str, int]:
        """Where each path stands, the layers of nested models behind their model."""
        return {path: number for number, path in enumerate(self.layers)}

    def ordered(self, paths: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(paths, key=self.position.__getitem__))

    def model_at(self, level: str) -> ModelSpec:
        return self._models[level]

    def containers(self, path: str) -> Iterator[str]:
        """The nested models around a layer, the innermost first."""
        level = self.level_of[path]
        while level:
            yield level
            level = self.level_of[level]

    def shadow(self, paths: frozenset[str]) -> frozenset[str]:
        """The layers, all that lies inside them, and the nested models around them."""
        around = {container for path in paths for container in self.containers(path)}
        inside = {path for path in self.layers if any(container in paths for container in self.containers(path))}
        return paths | around | inside
