"""Digests that stay the same when a model is saved again: of its canonical config, and of each variable.

The digest of a `.keras` file changes at each save (dates, addresses); these do not.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgery.errors import FileMissing, FileUnreadable
from surgery.model.blocks import blocks
from surgery.model.config.shared import KEY, without_compiled
from surgery.model.spec import LayerSpec, ModelSpec, TensorRef

if TYPE_CHECKING:
    from numpy.typing import NDArray

Values = Mapping[tuple[str, str], "NDArray[Any]"]
"""The values of a model's variables by layer path and key."""


def canonical(value: Any) -> Any:
    """A config as plain JSON, the same for the same content: no addresses, tuples as lists, short dtype policies."""
    return _plain(without_compiled(value, KEY))


def _plain(value: Any) -> Any:
    match value:
        case {"class_name": "DTypePolicy", "config": {"name": str(name)}}:
            return name
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case TensorRef(layer, call, output):
            return {"tensor": [layer, call, output]}
        case float() if not math.isfinite(value):
            return repr(value)
        case _:
            return value


def canonical_json(value: Any) -> bytes:
    """The canonical value as bytes: sorted keys, no spaces."""
    plain = canonical(value)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def canonical_model(spec: ModelSpec) -> dict[str, Any]:
    """What makes the model what it is, weights aside: layers, calls, inputs and outputs. Not how it was compiled."""
    return {
        "class_name": spec.class_name,
        "registered_name": spec.registered_name,
        "name": spec.name,
        "config": canonical(spec.config),
        "layers": [_canonical_layer(layer) for layer in spec.layers],
        "inputs": canonical(spec.inputs),
        "outputs": canonical(spec.outputs),
    }


def _canonical_layer(layer: LayerSpec) -> dict[str, Any]:
    return {
        "name": layer.name,
        "class_name": layer.class_name,
        "module": layer.module,
        "registered_name": layer.registered_name,
        "config": canonical(layer.config),
        "calls": [[canonical(call.args), canonical(call.kwargs)] for call in layer.calls],
        "model": canonical_model(layer.inner) if layer.inner else None,
    }


def config_digest(spec: ModelSpec) -> str:
    """sha256 of the canonical model."""
    return hashlib.sha256(canonical_json(canonical_model(spec))).hexdigest()


def variable_digest(array: NDArray[Any]) -> str:
    """sha256 of dtype, shape and values, read in blocks."""
    digest = hashlib.sha256(f"{array.dtype.name} {list(array.shape)}\n".encode())
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    for (block,) in blocks(little):
        digest.update(block.view("u1").data)
    return digest.hexdigest()


def variable_norm(array: NDArray[Any]) -> float:
    """The Euclidean norm, in double precision, read in blocks."""
    total = 0.0
    for (block,) in blocks(array):
        wide = block.astype("float64")
        total += float((wide * wide).sum())
    return math.sqrt(total)


def variable_digests(values: Values) -> dict[str, str]:
    """A digest for each variable, by `layer/path:key`."""
    return {f"{path}:{key}": variable_digest(values[path, key]) for path, key in sorted(values)}


def model_digest(spec: ModelSpec, values: Values) -> str:
    """One digest of a whole model: its canonical config and the digest of each variable."""
    return hashlib.sha256(
        canonical_json({"config": config_digest(spec), "variables": variable_digests(values)})
    ).hexdigest()


def digest_of_lines(files: Iterable[tuple[str, str]]) -> str:
    """One sha256 over names and what is said of each: for files their digests. No name can pass for a line of its own."""
    digest = hashlib.sha256()
    for name, said in files:
        shown = name.replace("\\", "\\\\").replace("\n", "\\n")
        digest.update(f"{said}  {shown}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def file_digest(path: str | Path) -> str:
    """sha256 of a file, as `sha256sum` prints it.

    Raises:
        FileMissing, FileUnreadable: no such file, or it may not be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise FileMissing(f"there is no file {path}") from None
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from None
