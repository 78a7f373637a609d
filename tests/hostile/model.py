"""A small genuine model as bytes, made without Keras, for builders to spoil."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Json = dict[str, Any]
CANARY = "canary"
"""Name of a pipe beside the hostile file. Whoever opens it for reading hangs; whoever writes beside it leaves a file."""


@dataclass(frozen=True)
class Hostile:
    """A hostile file: what it does, the code it must be refused with, how to build it in a folder."""

    name: str
    code: str
    build: Callable[[Path], Path]
    family: str = ""


Table = dict[str, Hostile]


def hostile(table: Table, code: str, name: str = "") -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    """Registers a builder that returns the path of the file it wrote."""

    def register(build: Callable[[Path], Path]) -> Callable[[Path], Path]:
        key = name or build.__name__
        assert key not in table
        table[key] = Hostile(key, code, build, build.__module__.rpartition(".")[2])
        return build

    return register


def keras_object(class_name: str, config: Json, module: str | None = "keras.layers", **more: Any) -> Json:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None, **more}


def tensor(layer: str, *shape: int | None) -> Json:
    config = {"shape": list(shape), "dtype": "float32", "keras_history": [layer, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def layer(class_name: str, name: str, config: Json, source: str | None = None, **more: Any) -> Json:
    """A layer of a Functional config, called on the output of `source`."""
    calls = [{"args": [tensor(source, None, 4)], "kwargs": {}}] if source else []
    found = keras_object(class_name, {"name": name, "trainable": True, **config}, **{"module": "keras.layers", **more})
    return {**found, "name": name, "inbound_nodes": calls}


def dense(name: str, source: str, units: int = 4, **config: Any) -> Json:
    build = {"input_shape": [None, 4]}
    return layer("Dense", name, {"units": units, "activation": "relu", **config}, source, build_config=build)


def functional(*layers: Json, output: str = "last", name: str = "model", middle: str = "first") -> Json:
    """input -> first -> the given layers -> last."""
    every = [layer("InputLayer", "input", {"batch_shape": [None, 4], "dtype": "float32"}), dense("first", "input")]
    every += [*layers, dense("last", middle)]
    config = {
        "name": name,
        "trainable": True,
        "layers": every,
        "input_layers": [["input", 0, 0]],
        "output_layers": [[output, 0, 0]],
    }
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
        "build_config": {"input_shape": None},
    }


def sequential(*layers: Json) -> Json:
    every = [keras_object("InputLayer", {"batch_shape": [None, 4], "name": "input"}), *layers]
    return keras_object("Sequential", {"name": "model", "layers": every}, "keras")


def weights(spoil: Callable[[h5py.File], None] | None = None, libver: str | None = None) -> bytes:
    """The weights of `functional()`: two Dense of four units."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=libver) as file:
        for place in ("dense", "dense_1"):
            variables = file.create_group(f"layers/{place}/vars")
            variables["0"] = np.arange(16, dtype="float32").reshape(4, 4)
            variables["1"] = np.zeros(4, "float32")
            variables.attrs["name"] = place
        if spoil:
            spoil(file)
    return memory.getvalue()


def metadata() -> bytes:
    return json.dumps({"keras_version": "3.15.1", "date_saved": "2026-11-01@12:00:00"}).encode()


def members(config: Json | bytes | None = None, stored: bytes | None = None) -> dict[str, bytes]:
    text = config if isinstance(config, bytes) else json.dumps(functional() if config is None else config).encode()
    return {
        "metadata.json": metadata(),
        "config.json": text,
        "model.weights.h5": weights() if stored is None else stored,
    }


def write_zip(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def write_model(folder: Path, config: Json | bytes | None = None, stored: bytes | None = None) -> Path:
    return write_zip(folder / "model.keras", members(config, stored))


def write_folder(folder: Path, config: Json | bytes | None = None) -> Path:
    path = folder / "model"
    path.mkdir()
    for name, data in members(config).items():
        (path / name).write_bytes(data)
    return path


def write_hdf5(folder: Path, config: Json | str, spoil: Callable[[h5py.File], None] | None = None) -> Path:
    """A legacy `.h5` model: the config is an attribute of the root."""
    path = folder / "model.h5"
    path.write_bytes(weights())
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        file.attrs["keras_version"] = "2.15.0"
        if spoil:
            spoil(file)
    return path


def canary(folder: Path) -> Path:
    """A pipe that nobody writes to: opening it for reading blocks, so a scan that touches it times out."""
    path = folder / CANARY
    if not path.exists():
        os.mkfifo(path)
    return path
