"""A layers model of TensorFlow.js: its weights lie end to end in `.bin` shards, and a manifest tells their names and shapes."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgery.errors import FileUnreadable, ModelInvalid
from surgery.model.archive.container import open_regular
from surgery.model.joining.architecture import Architecture
from surgery.model.joining.pair import begin, write_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "?", "uint8": "u1", "uint16": "<u2", "float16": "<f2"}


def join_shards(architecture: Architecture, made: Path) -> tuple[Path, tuple[str, ...]]:
    """One file of the model and its shards.

    Raises:
        FileMissing, FileUnreadable, ModelInvalid: a shard is missing, too short, or not one of this folder.
    """
    import h5py

    by_layer: defaultdict[str, list[tuple[str, NDArray[Any]]]] = defaultdict(list)
    owners = dict(_owners(architecture.document))
    quantized = False
    for entry, values in _weights(architecture):
        name = str(entry["name"])
        layer = owners.get(name.split("/")[0]) or owners.get(name.rpartition("/")[0])
        if layer is None:
            raise _damaged(f"{architecture.path} has the weight {name}, of a layer that its model does not have")
        quantized |= "quantization" in entry
        by_layer[layer].append((name, values))
    with h5py.File(made, "w") as whole:
        begin(whole, architecture)
        root = whole["model_weights"]
        write_names(root, "layer_names", list(by_layer))
        for layer, weights in by_layer.items():
            group = root.create_group(layer)
            write_names(group, "weight_names", [name for name, _ in weights])
            for name, values in weights:
                group[name] = values
    note = f"The weights of {architecture.path} are quantized, and are the float32 values that TensorFlow.js computes with."
    return made, (note,) if quantized else ()


def _owners(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every name in a model with the layer of the model that it is in; the outermost last, so that it counts."""
    config = document["config"]
    layers = config if isinstance(config, list) else config.get("layers", ())
    names = [(layer, _name(layer)) for layer in layers if isinstance(layer, Mapping)]
    for layer, name in names:
        for inner in _names_in(layer.get("config")):
            yield inner, name
    for _, name in names:
        yield name, name


def _names_in(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping) and isinstance(value.get("name"), str):
            yield value["name"]
        if isinstance(value, Mapping | list):
            stack += value.values() if isinstance(value, Mapping) else value


def _name(layer: Mapping[str, Any]) -> str:
    config = layer.get("config")
    return str(layer.get("name") or (config.get("name") if isinstance(config, Mapping) else ""))


def _weights(architecture: Architecture) -> Iterator[tuple[Mapping[str, Any], NDArray[Any]]]:
    """Every entry of the manifest with its values."""
    folder = architecture.path.parent
    try:
        for group in architecture.manifest or ():
            data = b"".join(_shard(folder, path) for path in group["paths"])
            start = 0
            for entry in group["weights"]:
                values, start = _values(entry, data, start)
                yield entry, values
            if start != len(data):
                raise _damaged(f"the shards of {architecture.path} have {len(data)} bytes; its weights take {start}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _damaged(f"the weightsManifest of {architecture.path} cannot be read: {error!r}") from None


def _shard(folder: Path, name: Any) -> bytes:
    """The bytes of a file of this very folder."""
    if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
        raise _damaged(f"the weightsManifest names the file {name!r}")
    if (folder / name).is_symlink():
        raise FileUnreadable(
            f"{folder / name} is a link", expected="the shard itself", fix="put the file that it leads to in its place"
        )
    with os.fdopen(open_regular(folder / name), "rb") as file:
        return file.read()


def _values(entry: Mapping[str, Any], data: bytes, start: int) -> tuple[NDArray[Any], int]:
    import numpy as np

    shape = [int(size) for size in entry["shape"]]
    packing = entry.get("quantization") or {}
    dtype = np.dtype(DTYPES[packing.get("dtype", entry["dtype"])])
    count = math.prod(shape)
    end = start + count * dtype.itemsize
    if min(shape, default=0) < 0 or end > len(data):
        raise _damaged(f"the shards end before the weight {entry['name']}")
    values = np.frombuffer(data, dtype, count, start).reshape(shape)
    if packing.get("dtype") in ("uint8", "uint16"):
        values = (values * np.float32(packing["scale"]) + np.float32(packing["min"])).astype("float32")
    elif packing:
        values = values.astype("float32")
    return values, end


def _damaged(what: str) -> ModelInvalid:
    return ModelInvalid(
        what,
        expected="a model.json, and beside it all the shards that its weightsManifest names",
        fix="convert the Keras model again, or fetch model.json and its shards once more, all of one conversion",
    )
