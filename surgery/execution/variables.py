"""Keras' variables by the names that a spec gives them: (layer path, key).

Keras itself walks a layer when it saves and loads; here it does so with a store that lives in memory, so that the keys are
Keras' own and no layout is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from keras.src.saving import saving_lib

from surgery.errors import PromiseBroken
from surgery.model.spec import ModelSpec


class _Memory(saving_lib.H5IOStore):  # type: ignore[misc]
    """The store that Keras' saver writes to and reads from: `vars/0` and so on, below one layer."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.entries: dict[str, Any] = dict(values or {})
        self._prefix = ""

    def __bool__(self) -> bool:
        return True

    def make(self, path: str, metadata: Any = None) -> _Memory:
        return self.get(path)

    def get(self, path: str) -> _Memory:
        self._prefix = f"{path}/vars/" if path else "vars/"
        return self

    def has_path(self, path: str) -> bool:
        return any(key.startswith(f"{path}/") for key in self.entries)

    def keys(self) -> list[str]:
        return [key.removeprefix(self._prefix) for key in self.entries if key.startswith(self._prefix)]

    def __len__(self) -> int:
        return len(self.keys())

    def __getitem__(self, key: str) -> Any:
        return self.entries[self._prefix + key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.entries[self._prefix + key] = value

    def __contains__(self, key: object) -> bool:
        return f"{self._prefix}{key}" in self.entries


def stored_variables(layer: Any) -> Mapping[str, Any]:
    """What Keras would store of a layer, by key: its variables, or tensors where Keras converts one for saving."""
    store = _Memory()
    _with_room_for_idf(layer)
    saving_lib._save_state(layer, store, None, "", set())
    return store.entries


def _with_room_for_idf(layer: Any) -> None:
    """A lookup that counts by tf-idf has no weights before it has a vocabulary, and cannot be stored without. Keras 3.15."""
    for lookup in (layer, getattr(layer, "_lookup_layer", layer)):
        if getattr(lookup, "output_mode", None) == "tf_idf" and not hasattr(lookup, "idf_weights_const"):
            import tensorflow as tf

            size = lookup.max_tokens if lookup.pad_to_max_tokens else lookup._frozen_vocab_size
            lookup.idf_weights_const = tf.zeros((size or 1,))


def fill_layer(layer: Any, values: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Gives a built layer the values of its keys, as if Keras had loaded them from a file."""
    failed: set[int] = set()
    messages: dict[int, Any] = {}
    # A layer inside may be reached by two attributes, and is stored below one of them. Keras 3.15.
    saving_lib._load_state(
        layer, _Memory(values), None, "", visited_saveables=set(), failed_saveables=failed, error_msgs=messages
    )
    if failed:
        raise PromiseBroken(f"Keras cannot fill '{layer.name}': {next(iter(messages.values()))[1]}")


def load_files(layer: Any, files: Mapping[str, bytes]) -> None:
    """Gives a built layer the files that belong to it, a vocabulary for instance, as if Keras had loaded them from its archive.

    Args:
        layer: The layer.
        files: Their content, by path below the layer.
    """
    with TemporaryDirectory(prefix="surgery-") as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        store = saving_lib.DiskIOStore(folder, mode="r")
        saving_lib._load_state(layer, None, store, "", visited_saveables=set())


def keras_layers(model: Any, spec: ModelSpec, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every Keras layer with its path, a nested model's own layers in its place; nested models are left out."""
    for layer_spec in spec.listed:
        layer = model.get_layer(layer_spec.name)
        path = prefix + layer_spec.name
        if layer_spec.inner:
            yield from keras_layers(layer, layer_spec.inner, f"{path}/")
        else:
            yield path, layer


class LiveValues:
    """The values of a Keras model by (layer path, key), for the writer; each is copied to NumPy when it is asked for."""

    def __init__(self, model: Any, spec: ModelSpec) -> None:
        self._layers = dict(keras_layers(model, spec))
        self._path: str | None = None
        self._stored: Mapping[str, Any] = {}

    def __getitem__(self, name: tuple[str, str]) -> np.ndarray[Any, Any]:
        from keras import ops

        path, key = name
        if path != self._path:
            self._path, self._stored = path, stored_variables(self._layers[path])
        return np.asarray(ops.convert_to_numpy(self._stored[key]))
