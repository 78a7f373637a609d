"""The values of every variable, by the ledger: read from the source's file, or made by the layer's own initializers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from surgery.execution.backend import load_keras
from surgery.model.derive import derive, in_dtype
from surgery.model.library import Library
from surgery.model.spec import LayerSpec, ModelSpec, TensorSpec
from surgery.planning.seeds import layer_seed

Array = np.ndarray[Any, Any]


class LedgerValues:
    """The result's variables by (layer path, key), as the ledger says where each comes from.

    Nothing is read or made before it is asked for; fresh values are made a layer at a time.
    """

    def __init__(self, spec: ModelSpec, library: Library, seed: int, trust: Sequence[str] = ()) -> None:
        self._layers = dict(calls_by_path(spec))
        self._library = library
        self._seed = seed
        self._trust = trust
        self._fresh: tuple[str, Mapping[str, Array]] = ("", {})

    def __getitem__(self, name: tuple[str, str]) -> Array:
        path, key = name
        weight = next(weight for weight in self._layers[path][0].weights if weight.key == key)
        # Keras hands out the kernel of a layer with LoRA in the dtype that the layer computes in.
        return derive(weight.source, self._library.read, lambda: in_dtype(self._fresh_values(path)[key], weight.dtype))

    def of_layer(self, path: str) -> Mapping[str, Array]:
        """All variables of one layer, by key."""
        return {weight.key: self[path, weight.key] for weight in self._layers[path][0].weights if weight.is_stored}

    def seed_of(self, path: str) -> int:
        """The seed of a layer's fresh values."""
        return layer_seed(self._seed, path)

    def _fresh_values(self, path: str) -> Mapping[str, Array]:
        if self._fresh[0] != path:
            # Keras is needed for initial values alone: what is kept goes from file to file without it.
            load_keras()
            from surgery.execution.fresh import fresh_values

            layer, inputs = self._layers[path]
            self._fresh = (path, fresh_values(layer, inputs, layer_seed(self._seed, path), self._trust))
        return self._fresh[1]


def calls_by_path(spec: ModelSpec, prefix: str = "") -> Iterator[tuple[str, tuple[LayerSpec, tuple[TensorSpec, ...]]]]:
    """Every layer that is no model, with the tensors of its first call."""
    for path, layer in spec.walk(prefix):
        if not layer.inner:
            yield path, (layer, layer.calls[0].inputs if layer.calls else ())
