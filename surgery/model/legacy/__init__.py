"""Models of Keras 1 and 2, and the `.h5` of Keras 3, as Keras 3 would have them in a `.keras` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from surgery.errors import ModelUnsupported
from surgery.model.archive.container import Container
from surgery.model.archive.values import Place
from surgery.model.config import from_config
from surgery.model.config.author import of_keras
from surgery.model.hdf5 import Group
from surgery.model.legacy.archives import attach_archive
from surgery.model.legacy.h5 import read_old_file
from surgery.model.legacy.hard_sigmoid import keep_hard_sigmoid
from surgery.model.legacy.keras1 import upgrade
from surgery.model.legacy.keras2 import convert_document
from surgery.model.legacy.masks import keep_masks
from surgery.model.legacy.objects import Problems
from surgery.model.legacy.states import keep_states
from surgery.model.legacy.weights import attach_old
from surgery.model.spec import ModelSpec

__all__ = ["convert_config", "read_archive", "read_h5"]


def read_h5(container: Container) -> tuple[ModelSpec, dict[tuple[str, str], Place]]:
    """The model in an `.h5`, and where its variables are.

    Raises:
        FileUnreadable: it is damaged.
        ModelUnsupported: weights without a model, a subclassed model, or things that Keras 3 does not have.
        ModelInvalid: it contradicts itself.
    """
    file = read_old_file(container)
    document = convert_config(file.document, str(container.path), is_keras_1=file.is_keras_1)
    spec, places = attach_old(replace(from_config(document), author=of_keras(file.document)[1]), file)
    return (spec, places) if file.is_keras_3 else keep_meaning(spec, places, str(container.path))


def keep_meaning(
    spec: ModelSpec, places: dict[tuple[str, str], Place], where: str
) -> tuple[ModelSpec, dict[tuple[str, str], Place]]:
    """A model of Keras 1 or 2 changed so that Keras 3 computes with it what the old one did.

    Raises:
        ModelUnsupported: names everything that Keras 3 computes otherwise, at once.
    """
    problems = Problems()
    spec = keep_states(spec, problems)
    spec = keep_masks(spec, problems)  # first: a Rescaling that is put in passes on a mask as Keras 3 has it
    spec, places = keep_hard_sigmoid(spec, places, problems)
    if problems.found:
        raise _unsupported(where, problems)
    return spec, places


def read_archive(container: Container, root: Group) -> tuple[ModelSpec, dict[tuple[str, str], Place]]:
    """The model in a `.keras` of Keras 2, and where its variables are.

    Args:
        container: The archive.
        root: Its weights.

    Raises:
        As `read_h5`.
    """
    where = str(container.path)
    return keep_meaning(*attach_archive(container.document, convert_config(container.document, where), root), where)


def convert_config(document: Mapping[str, Any], where: str, *, is_keras_1: bool = False) -> Mapping[str, Any]:
    """The model config of an old Keras as the document of a `.keras` file.

    Raises:
        ModelUnsupported: names everything that Keras 3 does not have, at once.
    """
    if not _is_model(document):
        return document
    problems = Problems()
    if is_keras_1:
        document = upgrade(document, problems)
    converted = convert_document(document, problems)
    if problems.found:
        raise _unsupported(where, problems)
    return converted


def _unsupported(where: str, problems: Problems) -> ModelUnsupported:
    return ModelUnsupported(
        f"{where} has what Keras 3 does not: {'; '.join(problems.found)}",
        expected="layers and arguments that Keras 3 has, or classes of a module that is granted with --trust",
        fix="replace these in the Keras that wrote the file, and save it again",
    )


def _is_model(document: Mapping[str, Any]) -> bool:
    config = document.get("config")
    return isinstance(config, list) or (isinstance(config, Mapping) and isinstance(config.get("layers"), list))
