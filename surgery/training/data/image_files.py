"""The files of a folder of images, told by their names and first bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from surgery.errors import DataInvalid
from surgery.training.place import Field

EXTENSIONS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png"})
"""What `keras.utils.image_dataset_from_directory` takes for images."""

POINTER = b"version https://git-lfs"

SIGNATURES = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(
        b"\0\0\1\0",
        b"P1",
        b"P2",
        b"P3",
        b"P4",
        b"P5",
        b"P6",
        b"Pf",
        b"PF",
        b"\0\0\0\x0cjP",
        b"\xff\x4f\xff\x51",
        b"\x28\0\0\0",
    ),
)
"""What the formats begin with that an image may have, whatever it is called."""


def is_image(path: Path) -> bool:
    """Whether the first bytes of a file are those of an image."""
    try:
        with path.open("rb") as file:
            first = file.read(12)
    except OSError:
        return False
    return first.startswith(SIGNATURES) or first[4:8] == b"ftyp"


def is_pointer(path: Path) -> bool:
    """Whether Git LFS has left a pointer in the place of a file."""
    with path.open("rb") as file:
        return file.read(len(POINTER)) == POINTER


def no_size(shape: tuple[int | None, ...], field: Field) -> DataInvalid:
    """What to say where nothing says to which size images are brought."""
    return DataInvalid(
        f"the model takes {shape}, which gives no height and width",
        expected="the size that the images are brought to",
        fix="image_size: [224, 224]",
        field=field,
    )


def class_folders(folder: Path, wanted: Sequence[str] | None) -> tuple[str, ...]:
    found = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))
    if wanted is None:
        return found
    if set(wanted) != set(found):
        odd = sorted(set(wanted) ^ set(found))[0]
        where = "class_names lacks it" if odd in found else "there is no such subfolder"
        raise DataInvalid(
            f"'{odd}': {where} ({folder.name})",
            expected=f"each of the subfolders once: {', '.join(found) or 'none there'}",
        )
    return tuple(wanted)


def images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
