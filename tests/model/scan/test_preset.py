"""Presets of KerasHub in folders: a hostile file in one is refused before KerasHub is imported, a genuine one is accepted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surgery.errors import ModelUnsafe
from surgery.model.scan.preset import require_safe_preset
from tests.hostile.model import canary, weights


def of_hub(class_name: str, module: str = "keras_hub.src.models.bert.bert_backbone", **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": f"keras_hub>{class_name}"}


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    """As `save_to_preset` of KerasHub 0.32 writes it."""
    folder = tmp_path / "preset"
    (folder / "assets/tokenizer").mkdir(parents=True)
    backbone = of_hub("BertBackbone", name="bert_backbone", trainable=True, vocabulary_size=20, num_layers=1)
    tokenizer = of_hub("BertTokenizer", "keras_hub.src.models.bert.bert_tokenizer", name="tokenizer", lowercase=True)
    documents = {
        "config": backbone,
        "metadata": {"keras_version": "3.15.1", "keras_hub_version": "0.32.0", "parameter_count": 1},
        "task": of_hub("BertTextClassifier", backbone=backbone, num_classes=2),
        "tokenizer": tokenizer | {"assets": ["assets/tokenizer/vocabulary.txt"], "weights": None},
        "preprocessor": of_hub("BertTextClassifierPreprocessor", tokenizer=tokenizer, sequence_length=8),
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    for name in ("model.weights.h5", "task.weights.h5"):
        (folder / name).write_bytes(weights())
    (folder / "assets/tokenizer/vocabulary.txt").write_text("a\nb\n", encoding="utf-8")
    return folder


def test_a_preset_as_kerashub_writes_it_is_accepted(preset: Path) -> None:
    require_safe_preset(preset)


def text(name: str, **changes: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        document = json.loads((folder / f"{name}.json").read_text())
        document["config"] |= changes
        (folder / f"{name}.json").write_text(json.dumps(document))

    return spoil


def link(folder: Path) -> None:
    (folder / "assets/tokenizer/merges.txt").symlink_to("/etc/passwd")


def linked_folder(folder: Path) -> None:
    (folder / "assets/more").symlink_to("/etc")


def linked_weights(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "model.weights.h5", "r+") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")


FUNCTION = {"module": "keras_hub.src.utils.preset_utils", "class_name": "function", "config": "load_json"}
HOSTILE: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "a Lambda": ("class-lambda", text("config", x={"module": "keras.layers", "class_name": "Lambda", "config": {}})),
    "a Lambda in the task": (
        "class-lambda",
        text("task", head={"module": "keras.layers", "class_name": "Lambda", "config": {}}),
    ),
    "a class of another package": ("class-custom", text("config", x=of_hub("Evil", "evil.layers"))),
    "a function of Keras": ("class-function", text("task", x=FUNCTION | {"module": "keras.utils"})),
    "a function of KerasHub": ("class-function", text("task", x=FUNCTION)),
    "a vocabulary elsewhere": ("vocabulary-file", text("tokenizer", vocabulary="/etc/passwd")),
    "a vocabulary from the net": ("vocabulary-url", text("tokenizer", vocabulary="https://example.org/v.txt")),
    "a SentencePiece model elsewhere": ("vocabulary-file", text("preprocessor", proto="/etc/passwd")),
    "a pickle": ("folder-file-unexpected", lambda folder: (folder / "model.pkl").write_bytes(b"\x80\x04.")),
    "weights of another format": ("folder-file-unexpected", lambda folder: (folder / "pytorch_model.bin").touch()),
    "a link": ("folder-link", link),
    "a linked folder": ("folder-link", linked_folder),
    "a pipe": ("folder-link", canary),
    "a link in the weights": ("hdf5-external-link", linked_weights),
    "weights cut off": ("hdf5-damaged", lambda folder: (folder / "task.weights.h5").write_bytes(weights()[:900])),
    "text that is too deep": ("json-too-deep", lambda folder: (folder / "task.json").write_text("[" * 5000)),
    "text that is no JSON": ("json-invalid", lambda folder: (folder / "metadata.json").write_text("{")),
    "no config": ("folder-file-missing", lambda folder: (folder / "config.json").unlink()),
    "an odd name": ("folder-name", lambda folder: (folder / "assets/a\x1bb").touch()),
}


@pytest.mark.parametrize(("code", "spoil"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_preset_is_refused(preset: Path, code: str, spoil: Callable[[Path], Any]) -> None:
    spoil(preset)
    with pytest.raises(ModelUnsafe, match=rf"\[{code}\]"):
        require_safe_preset(preset)
