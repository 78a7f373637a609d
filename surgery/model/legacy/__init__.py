"""Models of Keras 1 and 2, and the `.h5` of Keras 3, as Keras 3 would have them in a `.keras` file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from surgery.errors import ModelUnsupported
from surgery.model.archive.container import Container
from surgery.model.archive.values import Place
from surgery.model.config import from_config
from surgery.model.config.custom_class import without_custom_class
from surgery.model.hdf5 import Group
from surgery.model.legacy.activations import keep_activations
from surgery.model.legacy.archives import attach_archive
from surgery.model.legacy.before import keep_inputs
from surgery.model.legacy.conversions import CONVOLUTIONS
from surgery.model.legacy.h5 import OldFile, read_old_file
from surgery.model.legacy.hard_sigmoid import keep_hard_sigmoid
from surgery.model.legacy.inferred import with_inferred
from surgery.model.legacy.keras1 import upgrade
from surgery.model.legacy.keras2 import convert_document
from surgery.model.legacy.masks import keep_masks
from surgery.model.legacy.objects import Problems
from surgery.model.legacy.operations import settle_operations
from surgery.model.legacy.ordering import with_names, with_order
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
    file, where, problems = read_old_file(container), str(container.path), Problems()
    document = _of_keras_1(file, problems) if file.is_keras_1 else file.document
    converted = convert_config(document, where, problems)
    spec, places = attach_old(
        replace(from_config(converted), custom_class=without_custom_class(file.document)[1]), file
    )
    spec = replace(spec, notes=tuple(problems.notes))
    if file.is_keras_1:
        spec = with_inferred(spec, problems)
        raise_unsupported(where, problems)
        spec = replace(spec, notes=(*spec.notes, *_doubts(spec, file)))
    if file.is_guessed:
        told = f"The file does not say which Keras wrote it; by its layers it is read as one of Keras {file.version}."
        spec = replace(spec, notes=(*spec.notes, told))
    return (spec, places) if file.is_keras_3 else keep_meaning(spec, places, where)


def _doubts(spec: ModelSpec, file: OldFile) -> Iterator[str]:
    """What a file of Keras 1 leaves open."""
    for path, layer in spec.walk():
        if (
            not file.backend
            and layer.class_name in CONVOLUTIONS
            and layer.config.get("data_format") == "channels_first"
        ):
            yield (
                f"The kernels of '{path}' and others are read as they are. The file does not say on which backend it was trained, "
                "and Theano turned kernels around: compare a prediction with a known one."
            )
            return


def _of_keras_1(file: OldFile, problems: Problems) -> Mapping[str, Any]:
    """The config of Keras 1 as Keras 2 would have written it."""
    if not _is_model(file.document):
        return file.document
    named = with_names(file.document, list(file.weights))
    return upgrade(with_order(named, problems), problems)


def keep_meaning(
    spec: ModelSpec, places: dict[tuple[str, str], Place], where: str
) -> tuple[ModelSpec, dict[tuple[str, str], Place]]:
    """A model of Keras 1 or 2 changed so that Keras 3 computes with it what the old one did.

    Raises:
        ModelUnsupported: names everything that Keras 3 computes otherwise, at once.
    """
    problems = Problems()
    spec = settle_operations(spec, problems)
    spec, places = keep_activations(spec, places, problems)
    spec = keep_states(spec, problems)
    spec = keep_masks(spec, problems)  # first: a Rescaling that is put in passes on a mask as Keras 3 has it
    spec = keep_inputs(spec, problems)
    spec, places = keep_hard_sigmoid(spec, places, problems)
    raise_unsupported(where, problems)
    return replace(spec, is_converted=True), places


def read_archive(container: Container, root: Group) -> tuple[ModelSpec, dict[tuple[str, str], Place]]:
    """The model in a `.keras` of Keras 2, and where its variables are.

    Args:
        container: The archive.
        root: Its weights.

    Raises:
        As `read_h5`.
    """
    where, problems = str(container.path), Problems()
    converted = convert_config(container.document, where, problems)
    spec, places = attach_archive(container.document, converted, root)
    return keep_meaning(replace(spec, notes=tuple(problems.notes)), places, where)


def convert_config(document: Mapping[str, Any], where: str, problems: Problems | None = None) -> Mapping[str, Any]:
    """The model config of Keras 2 as the document of a `.keras` file.

    Args:
        document: The config.
        where: The file that it is in.
        problems: What was found already that Keras 3 does not have.

    Raises:
        ModelUnsupported: names everything that Keras 3 does not have, at once.
    """
    if not _is_model(document):
        return document
    problems = problems or Problems()
    converted = convert_document(document, problems)
    raise_unsupported(where, problems)
    return converted


def raise_unsupported(where: str, problems: Problems) -> None:
    """Names everything that Keras 3 does not have, at once.

    Raises:
        ModelUnsupported: there is something.
    """
    if problems.found:
        raise ModelUnsupported(
            f"{where} has what Keras 3 does not: {'; '.join(problems.found)}",
            expected="layers and arguments that Keras 3 has, or classes of a module that is granted with --trust",
            fix="replace these in the Keras that wrote the file, and save it again",
        )


def _is_model(document: Mapping[str, Any]) -> bool:
    config = document.get("config")
    return isinstance(config, list) or (isinstance(config, Mapping) and isinstance(config.get("layers"), list))
