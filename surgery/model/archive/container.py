"""Opening what a Keras model may be saved as, on one private descriptor: a zip, a folder or an HDF5 file."""

from __future__ import annotations

import json
import os
import stat
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from surgery.errors import FileMissing, FileUnreadable, ModelInvalid, ModelUnsupported
from surgery.model.hdf5 import MAGIC, Member

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MAX_CONFIG = 256 * 2**20
LOCAL_HEADER = struct.Struct("<4s5H3L2H")


@dataclass
class Container:
    """An open model file. `weights` is the HDF5 file in it; `asset` names its other members."""

    path: Path
    kind: Literal["zip", "folder", "h5"]
    weights: Member | None
    document: Mapping[str, Any] = field(default_factory=dict)
    keras_version: str = ""
    assets: Mapping[str, bytes] = field(default_factory=dict)
    checksum: int | None = None
    """The CRC-32 of the weights as the archive has it; a folder and an HDF5 file have none."""
    _descriptors: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())


def open_container(path: str | Path, *, assets: bool = False) -> Container:
    """Opens a model file.

    Args:
        path: A `.keras` file, a folder as Keras writes it, or an `.h5`.
        assets: Whether to read vocabularies and the like too.

    Raises:
        FileMissing: nothing is there.
        FileUnreadable: it is not a file, may not be read, or is damaged.
        ModelUnsupported: it is a model in another format.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise FileMissing(f"there is no model at {path}: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        return _folder(path, assets)
    descriptor = open_regular(path)
    try:
        return _file(path, descriptor, assets)
    except BaseException:
        os.close(descriptor)
        raise


def open_regular(path: Path) -> int:
    """A descriptor of a regular file. A pipe or a device is refused before anything can block.

    Raises:
        FileMissing, FileUnreadable: as in `open_container`.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise FileUnreadable(f"{path} is not a regular file", expected="a file or a folder that Keras saved")
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise FileMissing(f"there is no file {path}") from None
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileUnreadable(f"{path} is not a regular file", expected="a file or a folder that Keras saved")
    return descriptor


def _file(path: Path, descriptor: int, assets: bool) -> Container:
    size = os.fstat(descriptor).st_size
    start = os.pread(descriptor, 8, 0)
    if start == MAGIC:
        return Container(path, "h5", Member(descriptor, 0, size), _descriptors=[descriptor])
    if start[:2] == b"PK":
        return _zip(path, descriptor, assets)
    other = other_file(path, descriptor)
    if other is not None:
        raise other
    hint = "an interrupted save leaves an empty or short file" if not start else f"this begins with {start!r}"
    raise FileUnreadable(
        f"{path} is no Keras model: it is neither a zip archive (.keras) nor HDF5 (.h5)",
        expected=f"what model.save() writes; {hint}",
    )


def _zip(path: Path, descriptor: int, assets: bool) -> Container:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = {info.filename: info for info in archive.infolist()}
                _check_members(path, members)
                texts = {name: _read(archive, members[name]) for name in (CONFIG, METADATA) if name in members}
                kept = _assets(archive, members) if assets else {}
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
            raise FileUnreadable(
                f"{path} cannot be read as a zip archive: {error}",
                expected="a complete file; an interrupted copy or save leaves a damaged one",
            ) from None
    weights = members[WEIGHTS]
    begin = _data_offset(path, descriptor, weights)
    return Container(
        path,
        "zip",
        Member(descriptor, begin, weights.file_size),
        parse_json(texts[CONFIG], f"{path}: {CONFIG}"),
        _version(texts.get(METADATA), path),
        kept,
        weights.CRC,
        [descriptor],
    )


def _assets(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> dict[str, bytes]:
    """Vocabularies and the like: read as a whole, so bounded together."""
    found = [info for name, info in members.items() if is_asset(name)]
    total = sum(info.file_size for info in found)
    if total > MAX_CONFIG:
        raise ValueError(f"the files in assets/ have {total} bytes together, and may have {MAX_CONFIG}")
    return {info.filename: archive.read(info) for info in found}


def is_asset(name: str) -> bool:
    return name.startswith("assets/") and not name.endswith("/")


def _check_members(path: Path, members: Mapping[str, zipfile.ZipInfo]) -> None:
    if CONFIG not in members:
        raise ModelUnsupported(
            f"{path} is a zip archive without {CONFIG}, so it is no Keras model",
            expected="a file that model.save('name.keras') wrote",
        )
    if WEIGHTS not in members:
        found = ", ".join(sorted(members)[:8])
        raise ModelUnsupported(
            f"{path} has no {WEIGHTS}; it holds {found}",
            expected="weights in HDF5, as model.save('name.keras') writes them",
            fix="load it in Keras and save it again: keras.models.load_model(...).save('name.keras')",
        )
    if members[WEIGHTS].compress_type != zipfile.ZIP_STORED:
        raise ModelUnsupported(
            f"the weights in {path} are compressed; Keras stores them as they are",
            expected="an archive that Keras wrote, not one that was packed again",
            fix="load it in Keras and save it again: keras.models.load_model(...).save('name.keras')",
        )


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > MAX_CONFIG:
        raise ValueError(f"{info.filename} has {info.file_size} bytes")
    return archive.read(info)


def _data_offset(path: Path, descriptor: int, info: zipfile.ZipInfo) -> int:
    """Where a stored member's bytes begin: after its local header, whose own lengths count."""
    raw = os.pread(descriptor, LOCAL_HEADER.size, info.header_offset)
    if len(raw) == LOCAL_HEADER.size:
        magic, *_, name, extra = LOCAL_HEADER.unpack(raw)
        begin = info.header_offset + LOCAL_HEADER.size + name + extra
        if magic == b"PK\x03\x04" and begin + info.file_size <= os.fstat(descriptor).st_size:
            return int(begin)
    raise FileUnreadable(f"{path} is damaged: its directory and its members disagree about {info.filename}")


def _folder(path: Path, assets: bool) -> Container:
    if not (path / CONFIG).exists():
        raise other_folder(path)
    if not (path / WEIGHTS).exists():
        raise ModelUnsupported(
            f"the folder {path} has no {WEIGHTS}", expected="a folder that model.save(..., zipped=False) wrote"
        )
    config = _read_file(path / CONFIG)
    metadata = _read_file(path / METADATA) if (path / METADATA).exists() else None
    files = sorted(f for f in (path / "assets").rglob("*") if f.is_file()) if assets else []
    kept, left = {}, MAX_CONFIG
    for file in files:
        kept[file.relative_to(path).as_posix()] = data = _read_file(file, left)
        left -= len(data)
    document, version = parse_json(config, str(path / CONFIG)), _version(metadata, path)
    descriptor = open_regular(path / WEIGHTS)
    member = Member(descriptor, 0, os.fstat(descriptor).st_size)
    return Container(path, "folder", member, document, version, kept, _descriptors=[descriptor])


def other_folder(path: Path) -> ModelUnsupported:
    """What to say of a folder that holds no Keras model."""
    if (path / "keras_metadata.pb").exists():
        return ModelUnsupported(
            f"{path} is a SavedModel of Keras 2: its weights lie in a checkpoint of TensorFlow",
            expected="a .keras file, a folder with config.json, or an .h5",
            fix=f'if you trust where it comes from: pip install tf_keras, and then python -c "import tf_keras; '
            f"tf_keras.models.load_model('{path}', compile=False).save('model.keras')\"",
        )
    if (path / "saved_model.pb").exists():
        return ModelUnsupported(
            f"{path} is a TensorFlow SavedModel: its graph is TensorFlow's, and no longer one of Keras layers",
            expected="a .keras file, a folder with config.json, or an .h5",
            fix="save the original model with model.save('name.keras'); a SavedModel itself only serves predictions",
        )
    return ModelUnsupported(
        f"the folder {path} has no {CONFIG}, so it is no Keras model",
        expected="a .keras file, a folder with config.json and model.weights.h5, or an .h5",
    )


def other_file(path: Path, descriptor: int) -> ModelUnsupported | None:
    """What to say of a file that holds a part of a model, or a model of another program; None where it is no such file."""
    start = os.pread(descriptor, 1 << 16, 0).lstrip()
    if start.startswith(b"{"):
        is_whole = b'"modelTopology"' in start or b'"weightsManifest"' in start
        weights = "" if is_whole else "WEIGHTS.h5 "
        return ModelUnsupported(
            f"{path} is {'a model of TensorFlow.js' if is_whole else 'the architecture of a model, without its weights'}",
            expected="a .keras file or folder, or an .h5 with a whole model",
            fix=f"make one: surgery convert {path} {weights}-o model.keras",
        )
    if path.suffix.lower() in (".pb", ".pbtxt", ".tflite", ".onnx"):
        return ModelUnsupported(
            f"{path} holds a graph of operations, and no layers of Keras",
            expected="a .keras file or folder, or an .h5",
            fix="take the Keras model that it was made of, or build its layers in Keras and set their weights",
        )
    return None


def _read_file(path: Path, most: int = MAX_CONFIG) -> bytes:
    descriptor = open_regular(path)
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise FileUnreadable(f"{path} is larger than any configuration: more than {most} bytes")
    return data


def _version(metadata: bytes | None, path: Path) -> str:
    return str(parse_json(metadata, f"{path}: {METADATA}").get("keras_version", "")) if metadata else ""


def parse_json(data: bytes | str, where: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ModelInvalid: it is none, or is nested too deeply.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelInvalid(f"{where} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ModelInvalid(f"{where} is not a JSON object")
    return document
