"""The model that a recipe starts from: a file, a Keras application, a KerasHub preset, a trusted factory."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, Tag

from surgery.recipe.part import Part, tag, told_by
from surgery.recipe.words import Application, Factory, PlainValue, Sha256


class FileModel(Part):
    """A saved model."""

    path: str
    """A `.keras` file or folder, or `.h5`/`.hdf5` of Keras 1, 2 or 3; relative to the recipe."""

    sha256: Sha256 | None = None
    """Pins the file: with another digest the recipe is refused."""


class ApplicationModel(Part):
    """A model of keras.applications."""

    application: Application
    """Its name: `VGG16`."""

    arguments: dict[str, PlainValue] = Field(default_factory=dict)
    """Arguments of its constructor: `{include_top: false, input_shape: [96, 96, 3]}`."""

    weights: str | None = "imagenet"
    """`imagenet` (downloaded by Keras), the path of a weights file, or null for fresh ones. Default: imagenet."""

    sha256: Sha256 | None = None
    """Pins the weights file: with another digest the recipe is refused."""


class PresetModel(Part):
    """A KerasHub preset."""

    preset: str = Field(min_length=1)
    """Its handle, or a folder: `resnet_18_imagenet`."""

    arguments: dict[str, PlainValue] = Field(default_factory=dict)
    """Further arguments of `from_preset`."""


class FactoryModel(Part):
    """What a Python function returns. It must be trusted."""

    factory: Factory
    """The function, as `package.module:function`; its module is named under `imports` too."""

    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the function."""


KINDS = ("path", "application", "preset", "factory")

ModelSource = Annotated[
    Annotated[FileModel, Tag(tag("path"))]
    | Annotated[ApplicationModel, Tag(tag("application"))]
    | Annotated[PresetModel, Tag(tag("preset"))]
    | Annotated[FactoryModel, Tag(tag("factory"))],
    told_by(*KINDS),
]
"""One source of a model, told by its first key."""
