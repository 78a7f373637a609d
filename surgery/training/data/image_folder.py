"""A folder with one subfolder of images for each class, read when a batch needs them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import keras
import numpy as np
from PIL import Image

from surgery.errors import DataInvalid, FileUnreadable
from surgery.recipe.data import ImageFolderData
from surgery.training.data.examples import Array, Batch, Examples, Indices, Prepare, TensorFacts
from surgery.training.data.image_files import EXTENSIONS, class_folders, images_in, no_size
from surgery.training.data.prepare import preparation
from surgery.training.place import Field, Place, existing

KEPT = 512 * 2**20
"""Bytes of decoded images that stay in memory for the next epoch."""

MOST_PIXELS = 89_478_485
"""From which on Pillow warns of a decompression bomb: 256 MiB of an RGB image."""
MOST_BYTES = 1 << 29
LARGE_PIXELS = 1 << 24
"""From which on images are decoded one at a time."""
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What an image may be, whatever it is called. For some of the others Pillow starts programs."""
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning)


def open_image_folder(source: ImageFolderData, model: Any, place: Place) -> Examples:
    """The images of a folder as examples."""
    folder = existing(place.folder / source.image_folder, (*place.field, "image_folder"), folder=True)
    height, width = source.image_size or _image_size(model, place.field)
    return ImageFolder(
        folder,
        (height, width),
        color_mode=source.color_mode,
        label_mode=source.label_mode,
        class_names=source.class_names,
        interpolation=source.interpolation,
        prepare=preparation(source, source.preprocess, model),
    )


def _image_size(model: Any, field: Field) -> tuple[int, int]:
    shape = model.inputs[0].shape
    if len(shape) != 4 or None in shape[1:3]:
        raise no_size(tuple(shape), field)
    return shape[1], shape[2]


class ImageFolder:
    """Images by index. Class indices follow the sorted names of the subfolders, or `class_names`.

    Args:
        folder: The folder with the subfolders.
        size: Height and width that every image is brought to.
        color_mode: `grayscale`, `rgb` or `rgba`.
        label_mode: `int`, `categorical` or `binary`.
        class_names: The subfolders in the order of their class index.
        interpolation: How images are resized; shrinking averages over what it leaves out.
        prepare: What happens to a batch of images before the model sees it.
    """

    def __init__(
        self,
        folder: Path,
        size: tuple[int, int],
        *,
        color_mode: str = "rgb",
        label_mode: str = "int",
        class_names: Sequence[str] | None = None,
        interpolation: str = "bilinear",
        prepare: Prepare | None = None,
    ) -> None:
        self.class_names = class_folders(folder, class_names)
        if label_mode == "binary" and len(self.class_names) != 2:
            raise DataInvalid(
                f"label_mode: binary, and {folder.name} has {len(self.class_names)} classes",
                expected="two subfolders",
                fix="label_mode: int",
            )
        found = [(path, index) for index, name in enumerate(self.class_names) for path in images_in(folder / name)]
        if not found:
            raise DataInvalid(
                f"{folder.name} holds no images",
                expected=f"files that end in {', '.join(sorted(EXTENSIONS))} in one subfolder for each class",
            )
        self.paths = [path for path, _ in found]
        self._labels = _encoded(np.array([index for _, index in found]), label_mode, len(self.class_names))
        self._size, self._color_mode, self._interpolation = size, color_mode, interpolation
        self._prepare = prepare
        self._decoded: dict[int, Array] = {}
        self._room = KEPT
        self._large = Lock()

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: Indices) -> Batch:
        with ThreadPoolExecutor() as pool:
            images = np.stack(list(pool.map(self._image, indices.tolist()))).astype("float32")
        return (images if self._prepare is None else self._prepare(images)), self._labels[indices]

    @property
    def inputs(self) -> tuple[TensorFacts, ...]:
        batch = self.take(np.arange(1))[0]
        return (TensorFacts("image", batch.shape[1:], batch.dtype.name),)

    @property
    def targets(self) -> tuple[Array, ...]:
        return (self._labels,)

    @property
    def may_hold_nan(self) -> bool:
        return False

    def _image(self, index: int) -> Array:
        kept = self._decoded.get(index)
        if kept is not None:
            return kept
        image = self._read(self.paths[index])
        if image.nbytes <= self._room:
            self._room -= image.nbytes
            self._decoded[index] = image
        return image

    def _read(self, path: Path) -> Array:
        options = {"color_mode": self._color_mode, "target_size": self._size, "interpolation": self._interpolation}
        try:
            with self._large if pixels_of(path) > LARGE_PIXELS else nullcontext():
                image = keras.utils.load_img(path, **options)
        except UNREADABLE as error:
            raise FileUnreadable(
                f"{path.parent.name}/{path.name} is no image that can be read: {error}",
                expected="a PNG, JPEG, GIF or BMP file",
                fix="remove the file, or save it again",
            ) from error
        array = np.asarray(image)
        return array[..., None] if array.ndim == 2 else array


def pixels_of(path: Path) -> int:
    """How many pixels an image says it has, of which nothing is decoded yet.

    Raises:
        ValueError: more than `MOST_PIXELS`, or a file that is larger than those would be.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"it has {size} bytes, and may have {MOST_BYTES}")
    Image.init()
    with Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
        width, height = map(int, image.size)
    if width * height > MOST_PIXELS:
        raise ValueError(f"it says that it has {width} x {height} pixels, and may have {MOST_PIXELS}")
    return width * height


def _encoded(labels: Array, label_mode: str, classes: int) -> Array:
    if label_mode == "categorical":
        return np.eye(classes, dtype="float32")[labels]
    return labels.astype("float32" if label_mode == "binary" else "int64")
