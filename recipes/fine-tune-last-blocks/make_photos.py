"""Cuts the photos/ folder out of the two photographs that scikit-learn ships: small patches of a temple and of a flower.

    .venv/bin/python recipes/fine-tune-last-blocks/make_photos.py

The patches for validation come from the right edge of each photograph, which no patch for training touches.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 64
HERE = Path(__file__).parent
PHOTOGRAPHS = {"temple": "china.jpg", "flower": "flower.jpg"}


def patches(photograph: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Non-overlapping squares, row by row; the last two columns are for validation."""
    rows, columns = photograph.shape[0] // SIZE, photograph.shape[1] // SIZE
    for row in range(rows):
        for column in range(columns):
            part = "validation" if column >= columns - 2 else "train"
            top, left = row * SIZE, column * SIZE
            yield part, photograph[top : top + SIZE, left : left + SIZE]


def main() -> None:
    from sklearn.datasets import load_sample_image

    for name, file in PHOTOGRAPHS.items():
        for number, (part, patch) in enumerate(patches(load_sample_image(file))):
            folder = HERE / "photos" / part / name
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(patch).save(folder / f"{number:02}.jpg", quality=85)


if __name__ == "__main__":
    main()
