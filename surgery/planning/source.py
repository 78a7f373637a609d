"""The model that a recipe starts from, as a spec with every shape proved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from surgery.errors import DigestMismatch, FetchRefused, ModelInvalid, SurgeryError
from surgery.model.prove import Ask
from surgery.model.proved import read_proved
from surgery.model.scan import require_safe
from surgery.model.spec import ModelSpec
from surgery.planning.code import without_code
from surgery.planning.facts import path_digest
from surgery.planning.plan import Source
from surgery.recipe import Recipe
from surgery.recipe.source import ApplicationModel, FactoryModel, FileModel, PresetModel

Materialize = Callable[[Recipe], Path]
"""Has Keras write the model of an application, preset or factory to a file, and says which."""


def open_source(
    recipe: Recipe, materialize: Materialize | None, ask: Ask | None, trust: tuple[str, ...] = ()
) -> Source:
    """Reads the recipe's source model, once its scan accepts it.

    Raises:
        ModelUnsafe: when the scan does not.
        DigestMismatch: when the recipe pins another file.
        FileMissing, ModelInvalid, ModelUnsupported: when it cannot be read.
    """
    if recipe.is_restricted and needs_making(recipe):
        raise FetchRefused(
            "the model would be made by Keras, downloaded or made by imported code, and --restricted does none of it",
            expected="a model file",
            fix="save the model once, and write model: {path: FILE.keras}; or run it without --restricted where you trust the recipe",
        )
    _check_pin(recipe)
    match recipe.model:
        case FileModel(path=path):
            file, described, is_made = recipe.resolve(path), path, False
        case ApplicationModel(application=name) | PresetModel(preset=name) | FactoryModel(factory=name):
            if materialize is None:
                raise ModelInvalid(
                    f"'{name}' is made by Keras, which is not at hand", fix="pip install 'keras-surgery[tensorflow]'"
                )
            file, described, is_made = materialize(recipe), name, True
    if is_made:
        return Source(file, described, _with_origins(read_proved(file, ask, trust=None)), is_made=True)
    holds_code = not require_safe(file, trust, only_read=True).is_usable
    try:
        spec = read_proved(file, without_code(ask, trust) if holds_code else ask, trust=trust, only_read=True)
    except SurgeryError:
        require_safe(file, trust)  # that it carries code is the first thing to say of a file that is damaged, too
        raise
    return Source(file, described, _with_origins(spec), holds_code=holds_code)


def _check_pin(recipe: Recipe) -> None:
    """Compares the file with the `sha256` that the recipe pins it by; of a folder it is the digest that a lock has."""
    match recipe.model:
        case FileModel(path=path, sha256=str(pinned)) | ApplicationModel(weights=str(path), sha256=str(pinned)):
            found = path_digest(recipe.resolve(path))
            if found != pinned:
                raise DigestMismatch(
                    f"'{path}' is not the file that the recipe pins",
                    expected=f"sha256 {pinned}",
                    fix=f"put that file back; or, if the new one is meant: sha256: {found}",
                    location=recipe.location("model", "sha256"),
                )


def needs_making(recipe: Recipe) -> bool:
    """Whether Keras, a download or a factory makes the model, rather than a file holding it."""
    return not isinstance(recipe.model, FileModel)


def _with_origins(model: ModelSpec, prefix: str = "") -> ModelSpec:
    """The model with every layer knowing where it comes from, whatever it is called later."""
    layers = tuple(
        replace(
            layer,
            origin=prefix + layer.name,
            inner=_with_origins(layer.inner, f"{prefix}{layer.name}/") if layer.inner else None,
        )
        for layer in model.layers
    )
    return replace(model, layers=layers)
