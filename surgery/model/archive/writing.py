"""The one writer of model files: the same content gives the same bytes, and the old file stays until the new one is whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from surgery.errors import ModelInvalid, RunFailed
from surgery.model.archive.container import CONFIG, METADATA, WEIGHTS
from surgery.model.archive.groups import groups_of
from surgery.model.archive.staging import open_stage, stage_path, sync_folder
from surgery.model.archive.values import Values
from surgery.model.archive.weights_file import write_weights
from surgery.model.archive.zipping import ZipWriter
from surgery.model.config import to_config
from surgery.model.order import keras_order
from surgery.model.spec import ModelSpec

FORMAT = "3.15.1"
"""The version of Keras whose format this writes."""
DATE = "1980-01-01@00:00:00"

Assets = Mapping[tuple[str, str], bytes]
"""Vocabularies and the like, by layer path and the file's name below the layer."""


def write_archive(
    path: str | Path,
    spec: ModelSpec,
    values: Values,
    *,
    assets: Assets | None = None,
    extra_members: Mapping[str, bytes] | None = None,
    verify: Callable[[Path], None] | None = None,
) -> None:
    """Writes a `.keras` file that Keras opens with every variable filled.

    It is staged beside the target, synced, verified, and renamed into its place. Variables are written one at a time.
    An optimizer's state is not written, so neither is how the model was compiled: Keras would warn at each load that the
    optimizer's variables are missing.

    Args:
        path: The file to write or to replace.
        spec: The model. Its layers may be in any order.
        values: The value of every variable, by layer path and key: a `WeightValues`, or any mapping.
        assets: What `read_assets` gives, for layers of this model.
        extra_members: Further members of the archive.
        verify: Reads the staged file back, and raises when it is not what it should be.

    Raises:
        RunFailed: the disk is full or read-only. The old file is untouched, as with every other error.
        ModelInvalid: layers that lead to no output, which Keras would drop.
        PromiseBroken: a value that is missing or does not fit.
    """
    path, spec = Path(path), replace(in_keras_order(spec), compile_config=None)
    members = {METADATA: _json({"date_saved": DATE, "keras_version": FORMAT}), CONFIG: _json(to_config(spec))}
    places = dict(groups_of(spec))
    for (layer, name), data in sorted((assets or {}).items()):
        members[f"assets/{places[layer]}/{name}"] = data
    members |= dict(sorted((extra_members or {}).items()))
    with _staged(path, verify) as descriptor:
        writer = ZipWriter(descriptor)
        for name, data in members.items():
            writer.add(name, data)
        begin = writer.begin(WEIGHTS)
        writer.finish(WEIGHTS, begin, *write_weights(descriptor, begin, spec, values))
        writer.close()


def in_keras_order(spec: ModelSpec) -> ModelSpec:
    """The model with its layers, and those of nested models, in the order that Keras gives them when it loads the file.

    Raises:
        ModelInvalid: layers that lead to no output.
    """
    layers = tuple(replace(layer, inner=in_keras_order(layer.inner)) if layer.inner else layer for layer in spec.layers)
    spec = replace(spec, layers=layers)
    if spec.class_name == "Sequential":
        return spec
    order = keras_order(spec.layers, spec.inputs, spec.outputs)
    loose = sorted(set(spec.by_name) - set(order))
    if loose:
        raise ModelInvalid(f"'{spec.name}' has layers that lead to no output: {', '.join(loose)}")
    return replace(spec, layers=tuple(spec.by_name[name] for name in order))


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), default=_number).encode()


def _number(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a config cannot hold {value!r}")


@contextmanager
def _staged(path: Path, verify: Callable[[Path], None] | None) -> Iterator[int]:
    """A new file beside the target, which takes its place when all went well and is gone when not."""
    stage = stage_path(path, ".keras")
    kept = "what was there before is untouched"
    try:
        descriptor = open_stage(stage)
        try:
            yield descriptor
            os.fsync(descriptor)
            if verify:
                verify(stage)
            stage.replace(path)
            kept = "the new file is in its place, but the disk has not confirmed it"
            sync_folder(path.parent)
        finally:
            os.close(descriptor)
            with suppress(OSError):
                stage.unlink(missing_ok=True)
    except OSError as error:
        raise RunFailed(
            f"{path} cannot be written: {error.strerror or error}; {kept}",
            fix="make room, or name another place with -o" if error.errno else None,
        ) from error
