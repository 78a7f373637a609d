"""The architecture of a model in a JSON file: what `model.to_json()` wrote, or TensorFlow.js."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surgery.errors import ModelUnsafe, ModelUnsupported
from surgery.model.archive.container import open_regular
from surgery.model.scan import limits
from surgery.model.scan.json import FAMILY, JsonText
from surgery.model.scan.rule import judge


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model without its weights."""

    path: Path
    document: Mapping[str, Any]
    """`{"class_name": ..., "config": ...}`."""
    keras_version: str
    backend: str
    manifest: list[Any] | None = None
    """Where TensorFlow.js has the weights."""

    @property
    def text(self) -> bytes:
        return json.dumps(self.document).encode()


def is_json(path: Path) -> bool:
    """Whether a file begins as a JSON object does.

    Raises:
        FileMissing, FileUnreadable: it cannot be looked at.
    """
    if path.is_dir():
        return False
    descriptor = open_regular(path)
    try:
        return os.pread(descriptor, 64, 0).lstrip().startswith(b"{")
    finally:
        os.close(descriptor)


def read_architecture(path: Path) -> Architecture:
    """The model in a JSON file.

    Raises:
        ModelUnsafe: a rule for JSON refuses it.
        ModelUnsupported: it is no model of layers.
    """
    descriptor = open_regular(path)
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(limits.JSON_BYTES + 1)
    text = JsonText(data, len(data), len(data))
    findings = judge(FAMILY, text, path.name)
    if findings:
        raise ModelUnsafe(
            f"{path} was refused: {findings[0]}",
            expected="the architecture of a model, as model.to_json() writes it",
            fix="write it again: pathlib.Path('model.json').write_text(model.to_json())",
        )
    said = text.value
    if "modelTopology" in said or "weightsManifest" in said:
        return _of_tensorflow_js(path, said)
    return _of_keras(path, said, None)


def _of_tensorflow_js(path: Path, said: Mapping[str, Any]) -> Architecture:
    topology = said.get("modelTopology")
    if said.get("format", "layers-model") != "layers-model" or not isinstance(topology, Mapping):
        raise ModelUnsupported(
            f"{path} is a graph model of TensorFlow.js: its graph is TensorFlow's, and no longer one of Keras layers",
            expected="a layers model, as tensorflowjs_converter makes of a Keras model",
            fix="take the Keras model that it was made of",
        )
    manifest = said.get("weightsManifest")
    document = topology.get("model_config", topology)
    return _of_keras(path, {**topology, **(document if isinstance(document, Mapping) else {})}, manifest or [])


def _of_keras(path: Path, said: Mapping[str, Any], manifest: Any) -> Architecture:
    if not isinstance(said.get("class_name"), str) or not isinstance(said.get("config"), dict | list):
        raise ModelUnsupported(
            f"{path} holds no model: its JSON has no class_name and config",
            expected="what model.to_json() writes, or the model.json of a layers model of TensorFlow.js",
            fix="write it again: pathlib.Path('model.json').write_text(model.to_json())",
        )
    document = {key: value for key, value in said.items() if key not in ("keras_version", "backend", "model_config")}
    version, backend = (str(said.get(key) or "") for key in ("keras_version", "backend"))
    return Architecture(path, document, version.removeprefix("tfjs-layers "), backend, manifest)
