"""Where samples come from: arrays of an npz file, columns of a CSV file, a folder of images, a trusted factory."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from surgery.recipe.part import Part, tag, told_by
from surgery.recipe.words import Application, Factory

Arrays = Annotated[
    Annotated[str, Tag(tag("text"))] | Annotated[dict[str, str], Field(min_length=1), Tag(tag("map"))],
    Discriminator(lambda value: tag("map" if isinstance(value, dict) else "text")),
]
"""One array by name; or a map from the model's input or output names to arrays."""

Size = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, max_length=2)]
"""Height and width."""

DataType = Literal["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool", "string"]


class FileData(Part):
    """What every kind of file can have done to its inputs: `x * scale + offset`, as Keras' Rescaling does."""

    scale: float = 1.0
    """What the inputs are multiplied by: `0.0625` brings 0-16 to 0-1. Default 1."""

    offset: float = 0.0
    """What is added to the inputs after scaling. Default 0."""

    dtype: DataType | None = None
    """Type of the inputs. Default: what the model's input takes."""

    any_range: bool = False
    """Inputs may have another range than the model is used to. Default false: that it is made for them is measured."""


class NpzData(FileData):
    """Arrays of an `.npz` file (`numpy.savez`)."""

    npz: str
    """The file, relative to the recipe."""

    x: Arrays
    """Name of the array of inputs; for a model with several inputs, a map from input name to array."""

    y: Arrays
    """Name of the array of targets; for a model with several outputs, a map from output name to array. Outputs that are not in
    it are not trained."""

    sample_weight: str | None = None
    """Name of an array with one weight for each sample."""

    preprocess: Application | None = None
    """A model of keras.applications whose `preprocess_input` the inputs go through, before scale and offset."""


OutputName = Annotated[str, Field(min_length=1)]


class CsvData(FileData):
    """Rows of a CSV file whose first line names the columns."""

    csv: str
    """The file, relative to the recipe."""

    target: str
    """The column with the label or value to predict."""

    features: tuple[str, ...] | None = Field(default=None, min_length=1)
    """The columns that go into the model, in this order. Default: every column but the target."""

    class_names: tuple[str, ...] | None = Field(default=None, min_length=2)
    """Labels that are text, in the order of their class index. Default: sorted."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """What separates the columns. Default: a comma."""

    output: OutputName | None = None
    """The output that the target belongs to, for a model with several outputs. The others are not trained."""


class ImageFolderData(FileData):
    """A folder with one subfolder of images for each class."""

    image_folder: str
    """The folder, relative to the recipe."""

    image_size: Size | None = None
    """Height and width that the images are brought to. Default: what the model's input takes."""

    color_mode: Literal["grayscale", "rgb", "rgba"] = "rgb"
    """Channels of the images. Default: rgb."""

    label_mode: Literal["int", "categorical", "binary"] = "int"
    """Labels as class index, one-hot, or 0 and 1. Default: int."""

    class_names: tuple[str, ...] | None = Field(default=None, min_length=2)
    """The subfolders in the order of their class index. Default: sorted."""

    output: OutputName | None = None
    """The output that the labels belong to, for a model with several outputs. The others are not trained."""

    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"] = "bilinear"
    """How images are resized, as in `keras.utils.load_img`. Default: bilinear."""

    preprocess: Application | None = None
    """A model of keras.applications whose `preprocess_input` the images go through, before scale and offset."""


class FactoryData(Part):
    """A Python function that returns a `tf.data.Dataset` or a `keras.utils.PyDataset`, batched. It must be trusted."""

    factory: Factory
    """The function, as `package.module:function`; its module is named under `imports` too."""

    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the function."""

    any_range: bool = False
    """Inputs may have another range than the model is used to. Default false: that it is made for them is measured."""


KINDS = ("npz", "csv", "image_folder", "factory")

DataSource = Annotated[
    Annotated[NpzData, Tag(tag("npz"))]
    | Annotated[CsvData, Tag(tag("csv"))]
    | Annotated[ImageFolderData, Tag(tag("image_folder"))]
    | Annotated[FactoryData, Tag(tag("factory"))],
    told_by(*KINDS),
]
"""One source of samples, told by its first key."""


def file_of(data: NpzData | CsvData | ImageFolderData | FactoryData) -> tuple[str, str] | None:
    """The key and the path of the file or folder that a source reads; a factory has none."""
    match data:
        case NpzData():
            return "npz", data.npz
        case CsvData():
            return "csv", data.csv
        case ImageFolderData():
            return "image_folder", data.image_folder
        case FactoryData():
            return None


def targeted(source: DataSource) -> dict[str, tuple[str, ...]] | None:
    """The outputs that a source names targets for, with the keys where it does; None where it names none, and so has them for all."""
    match source:
        case NpzData(y=dict(names)):
            return {name: ("y", name) for name in names}
        case CsvData(output=str(name)) | ImageFolderData(output=str(name)):
            return {name: ("output",)}
    return None
