"""What the frozen prefix makes of the examples, computed once; kept in memory or on disk, by digests of all it follows from."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from surgery.execution.stopping import raise_if_asked
from surgery.model.fingerprint import canonical_json, variable_digest
from surgery.planning.prefix import Prefix
from surgery.planning.stack import machine
from surgery.training.data.examples import Array, ArrayExamples, Examples
from surgery.training.record import versions
from surgery.training.resuming import store
from surgery.training.resuming.key import is_sealed, seal


@dataclass(frozen=True)
class Budget:
    """How much room features may take.

    Args:
        memory: Bytes of one set of features that may lie in memory; larger ones are mapped from disk.
        disk: Bytes of all sets together; 0 keeps none.
        folder: Where they lie.
    """

    memory: int
    disk: int
    folder: Path


@dataclass(frozen=True)
class Featured:
    """Examples of features, and where these come from."""

    examples: ArrayExamples
    size: int
    seconds: float
    is_reused: bool


def featured(source: Examples, prefix: Any, key: str, batch_size: int, budget: Budget) -> Featured | None:
    """The examples with the outputs of a prefix in place of their inputs. None where the budget has no room for them.

    Args:
        source: The examples.
        prefix: The Keras model that is computed once.
        key: A digest of that model.
        batch_size: The examples of a step; the last one of a pass may be smaller.
        budget: How much room there is.
    """
    began = time.perf_counter()
    tensors = keras.tree.flatten(prefix.outputs)
    shapes = [(len(source), *tensor.shape[1:]) for tensor in tensors]
    if any(None in shape for shape in shapes):
        return None
    size = sum(
        math.prod(shape) * np.dtype(_stored(tensor.dtype)).itemsize
        for shape, tensor in zip(shapes, tensors, strict=True)
    )
    if size > max(budget.memory, budget.disk):
        return None
    digest, rest = _digest(source, key, batch_size)
    place = budget.folder / digest
    features = _read(place, size <= budget.memory) if budget.disk else None
    is_reused = features is not None
    if features is None and size <= budget.disk:
        with suppress(OSError):  # a disk that does not take them: memory may
            _write(place, _computed(source, prefix, batch_size), shapes, budget.disk - size)
            features = _read(place, size <= budget.memory)
    if features is None and size <= budget.memory:
        features = _gathered(_computed(source, prefix, batch_size), shapes)
    if features is None:
        return None
    y, weight = rest
    names = tuple(f"feature {number}" for number in range(len(features)))
    examples = ArrayExamples(tuple(features), y, names, None, weight)
    return Featured(examples, size, time.perf_counter() - began, is_reused)


def prefix_key(prefix: Prefix, model: Any, *circumstances: str) -> str:
    """A digest of all that features follow from but the examples: layers, wiring, weights, versions, machine, circumstances."""
    weights = [variable_digest(np.asarray(keras.ops.convert_to_numpy(variable))) for variable in model.weights]
    parts = [prefix.digest, weights, versions(), machine(), list(circumstances)]
    return hashlib.sha256(canonical_json(parts)).hexdigest()


def _digest(source: Examples, key: str, batch_size: int) -> tuple[str, tuple[tuple[Array, ...], Array | None]]:
    """A digest of examples and prefix; and the targets and weights of all examples, read on the way."""
    digest = hashlib.sha256(f"{key} {batch_size}".encode())
    rests: list[tuple[Any, ...]] = []
    for x, *rest in _batches(source, batch_size):
        for array in _arrays(x):
            digest.update(variable_digest(array).encode())
        rests.append(tuple(rest))
    y = tuple(np.concatenate(parts) for parts in zip(*(_arrays(rest[0]) for rest in rests), strict=True))
    weight = np.concatenate([rest[1] for rest in rests]) if len(rests[0]) > 1 else None
    return digest.hexdigest(), (y, weight)


def _batches(source: Examples, batch_size: int) -> Iterator[tuple[Any, ...]]:
    for first in range(0, len(source), batch_size):
        yield source.take(np.arange(first, min(first + batch_size, len(source))))


def _computed(source: Examples, prefix: Any, batch_size: int) -> Iterator[list[Array]]:
    for x, *_ in _batches(source, batch_size):
        raise_if_asked()
        yield [_storable(array) for array in _arrays(prefix.predict_on_batch(list(_arrays(x))))]


def _gathered(made: Iterator[list[Array]], shapes: list[tuple[int, ...]]) -> list[Array]:
    parts = list(made)
    return [np.concatenate([part[number] for part in parts]) for number in range(len(shapes))]


def _write(place: Path, made: Iterator[list[Array]], shapes: list[tuple[int, ...]], room: int) -> None:
    """Writes the features beside their place, batch by batch, and moves them there when they are whole."""
    place.parent.mkdir(parents=True, exist_ok=True)
    store.make_room(place.parent, room)
    staging = Path(tempfile.mkdtemp(dir=place.parent, prefix="."))
    try:
        arrays: list[Any] = []
        first = 0
        for parts in made:
            if not arrays:
                arrays = [
                    _mapped(staging / f"{number}.npy", part.dtype, shape)
                    for number, (part, shape) in enumerate(zip(parts, shapes, strict=True))
                ]
            for array, part in zip(arrays, parts, strict=True):
                array[first : first + len(part)] = part
            first += len(parts[0])
        for array in arrays:
            array.flush()
        digests = [variable_digest(array) for array in arrays]
        document = {"arrays": digests, "seal": seal(*_sealed(place, digests))}
        (staging / "digests.json").write_text(json.dumps(document), encoding="utf-8")
        with suppress(OSError):  # another run has put the same features there
            staging.rename(place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _mapped(path: Path, dtype: Any, shape: tuple[int, ...]) -> Any:
    """An array in a file. Its room is taken at once: the kernel kills who writes into a mapping when the disk is full.

    Raises:
        OSError: There is no room.
    """
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _sealed(place: Path, digests: list[str]) -> tuple[str, bytes]:
    return f"features {place.name}", canonical_json(digests)


def _read(place: Path, into_memory: bool) -> list[Array] | None:
    """The features at a place, if they are there and as this user wrote them; others are thrown away."""
    try:
        document = json.loads((place / "digests.json").read_text(encoding="utf-8"))
        digests = document["arrays"]
        if not is_sealed(document["seal"], *_sealed(place, digests)):
            raise ValueError("another one's features")
        arrays = [np.load(place / f"{number}.npy", mmap_mode="r") for number in range(len(digests))]
        if [variable_digest(array) for array in arrays] == digests:
            store.use(place)
            return [np.array(array) for array in arrays] if into_memory else arrays
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        pass
    store.remove(place)
    return None


def _arrays(value: Any) -> tuple[Array, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _stored(dtype: str) -> str:
    """The dtype in which NumPy keeps features; it has no bfloat16, whose values float32 holds exactly."""
    return "float32" if dtype == "bfloat16" else str(dtype)


def _storable(array: Any) -> Array:
    found = np.asarray(keras.ops.convert_to_numpy(array))
    return found.astype("float32") if found.dtype.name == "bfloat16" else found
