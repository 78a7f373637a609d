"""Looks at an open model file with every rule, stage by stage. Reads no weights and opens nothing by name."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from surgery.model.config.shared import without_compiled
from surgery.model.scan import classes, folder, graph, hdf5, json, limits, shapes, values
from surgery.model.scan import zip as archives
from surgery.model.scan.archive import CONFIG, METADATA, WEIGHTS, Archive, View
from surgery.model.scan.classes import Config
from surgery.model.scan.folder import Folder, list_folder
from surgery.model.scan.hdf5_walk import SIGNATURE, Description, describe
from surgery.model.scan.json import JsonText
from surgery.model.scan.rule import judge, specific
from surgery.model.scan.shapes import Model
from surgery.model.scan.verdict import Finding, Status

NO_MODEL = "file-not-a-model"
TRAINING = "training_config"
"""The attribute of an HDF5 file that says how its model was compiled."""


@dataclass
class Parts:
    """What a model file consists of, however it is packed."""

    kind: str
    texts: dict[str, JsonText] = field(default_factory=dict)
    config_bytes: int = 0
    """Of the config, as they are stored."""
    weights: View | None = None
    inflated: bytes | None = None
    """Weights that were compressed."""
    findings: list[Finding] = field(default_factory=list)
    described: Description | None = None
    """The weights, once they have been looked at."""


def opened(descriptor: int) -> Parts:
    """The parts of an open file or folder. Whatever must be opened for them is open afterwards."""
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        return _folder_parts(list_folder(descriptor))
    view = View(descriptor, 0, status.st_size)
    start = view.read(0, len(SIGNATURE))
    if start.startswith(b"PK"):
        return _zip_parts(Archive(view))
    if start == SIGNATURE:
        return Parts("hdf5", weights=view)
    message = "the file is neither a zip archive nor HDF5" if status.st_size else "the file is empty"
    return Parts("unknown", findings=[Finding(NO_MODEL, Status.UNCHECKED, message)])


def examine(parts: Parts, trust: tuple[str, ...]) -> list[Finding]:
    """Everything that the rules have against a model. A stage that fails ends the scan: what follows would trust it."""
    findings = list(parts.findings)
    if findings:
        return findings
    weights = parts.described = _described(parts)
    texts = dict(parts.texts)
    findings += judge(hdf5.FAMILY, weights, "" if parts.kind == "hdf5" else WEIGHTS) if weights else []
    for name, data in weights.texts.items() if weights else ():
        texts[name] = JsonText(data, len(data), len(data))
    for name, text in texts.items():
        found = judge(json.FAMILY, text, name)
        if text.value is None and not found:
            found = [Finding("scan-failed", Status.UNCHECKED, "the text could not be read", name)]
        findings += found or _config_findings(name, text, trust, weights, is_old=_is_old(parts))
    return findings


def _is_old(parts: Parts) -> bool:
    """Whether surgery converts its config before anybody else reads it: that of any HDF5 file, and of archives by Keras 2."""
    said = parts.texts[METADATA].value if METADATA in parts.texts else None
    return parts.kind == "hdf5" or (isinstance(said, dict) and str(said.get("keras_version", "")).startswith("2"))


def _config_findings(
    name: str, text: JsonText, trust: tuple[str, ...], weights: Description | None, *, is_old: bool
) -> Iterator[Finding]:
    if name == METADATA:
        return
    is_compiled = name == TRAINING
    config = Config(text.value, trust, is_compiled=is_compiled, is_old=is_old)
    found = _judged(config, name)
    if is_compiled:
        yield from (replace(finding, is_compiled=True) for finding in found)
        return
    of_the_model = _judged(Config(without_compiled(text.value), trust, is_old=is_old), name) if found else []
    yield from of_the_model
    yield from (replace(finding, is_compiled=True) for finding in found if finding not in of_the_model)
    if weights:
        yield from judge(shapes.FAMILY, Model(config, weights), name)


def _judged(config: Config, name: str) -> list[Finding]:
    families = (classes.FAMILY, values.FAMILY, graph.FAMILY)
    return [finding for family in families for finding in specific(judge(family, config, name))]


def _described(parts: Parts) -> Description | None:
    if parts.inflated is not None:
        return describe(View(-1, 0, len(parts.inflated)), io.BytesIO(parts.inflated))
    return describe(parts.weights) if parts.weights else None


def _folder_parts(listing: Folder) -> Parts:
    parts = Parts("folder", findings=judge(folder.FAMILY, listing))
    views = {name: View(fd, 0, os.fstat(fd).st_size) for name, fd in listing.opened.items()}
    parts.weights = views.pop(WEIGHTS, None)
    parts.texts = {name: _text(view.size, view.size, view_reader(view)) for name, view in views.items()}
    parts.config_bytes = views[CONFIG].size if CONFIG in views else 0
    return parts


def view_reader(view: View) -> Callable[[], bytes | None]:
    return lambda: view.read(0, view.size)


def _zip_parts(archive: Archive) -> Parts:
    parts = Parts("zip", findings=judge(archives.FAMILY, archive))
    if parts.findings:
        return parts
    for name in (CONFIG, METADATA):
        member = archive.find(name)
        if member:
            read = partial(archive.read, name, limits.JSON_BYTES)
            parts.texts[name] = _text(member.file_size, member.compress_size, read)
            parts.config_bytes = max(parts.config_bytes, min(member.compress_size, member.file_size))
    weights = archive.find(WEIGHTS)
    if weights and weights.compress_type == zipfile.ZIP_STORED:
        parts.weights = archive.data_of(WEIGHTS)
    elif weights:
        parts.inflated = archive.read(WEIGHTS, limits.COMPRESSED_WEIGHTS_BYTES) or b""
    return parts


def _text(size: int, stored: int, read: Callable[[], bytes | None]) -> JsonText:
    return JsonText(read() if size <= limits.JSON_BYTES else None, size, min(stored, size))
