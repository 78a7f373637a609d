"""The files and folders that a recipe reads, as far as its text says it: also of one that has errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from surgery.operations import registry
from surgery.recipe.document import Document, Key

Keys = tuple[Key, ...]

DATA = {"npz": "file", "csv": "file", "image_folder": "folder"}
"""The keys that name samples, and what each one names."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file or folder, where the recipe names it."""

    keys: Keys
    path: str
    """As it is written, relative to the recipe."""
    noun: str
    kind: Literal["model", "checkpoint", "data"]
    """What the recipe starts from, a further model that operations read, or samples."""


def named_files(document: Document) -> Iterator[NamedFile]:
    """Every file and folder that the recipe names to read; what the reader refused is not among them."""
    for keys, noun, kind in _places(document):
        node = document.find(*keys)
        if node and isinstance(node.content, str) and node.content and not document.is_refused(*keys):
            yield NamedFile(keys, node.content, noun, kind)


def sample_sources(document: Document) -> Iterator[Keys]:
    """The keys under which samples may be described."""
    yield ("training", "data", "train")
    yield ("training", "data", "validation")
    for guard in _items(document, "training", "guards"):
        node = document.find(*guard)
        if node and isinstance(node.content, Mapping):
            yield from ((*guard, word, "data") for word in node.content)
    yield from ((*keys, "data") for keys in _items(document, "evaluation"))


def _places(document: Document) -> Iterator[tuple[Keys, str, Literal["model", "checkpoint", "data"]]]:
    yield ("model", "path"), "model", "model"
    weights = document.find("model", "weights")
    if weights and weights.content != "imagenet":
        yield ("model", "weights"), "weights file", "model"
    for keys in _operations(document):
        op = document.find(*keys, "op")
        operation = registry().get(str(op.content)) if op else None
        if operation and operation.model_files:
            named = (*keys, operation.model_files)
            yield from ((one, "model", "checkpoint") for one in (named, *_items(document, *named)))
    for source in sample_sources(document):
        yield from (((*source, key), noun, "data") for key, noun in DATA.items())


def _operations(document: Document) -> Iterator[Keys]:
    yield from _items(document, "operations")
    for stage in _items(document, "training", "stages"):
        yield from _items(document, *stage, "operations")


def _items(document: Document, *keys: Key) -> Iterator[Keys]:
    node = document.find(*keys)
    if node and isinstance(node.content, tuple):
        yield from ((*keys, index) for index in range(len(node.content)))
