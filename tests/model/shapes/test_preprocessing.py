"""Static rules of preprocessing and augmentation layers against Keras."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from surgery.model.shapes.image import AUGMENTATIONS
from tests.model.keras_objects import made
from tests.model.shapes.agreement import Case, assert_agreement, by_class, cases, layer_spec, refuses
from tests.model.shapes.tensors import VECTOR

pytestmark = pytest.mark.keras

PICTURES = ((None, 8, 8, 3), (None, 8, 8, 3, "uint8"), (8, 8, 3))
NEEDS = {
    "RandomBrightness": {"factor": 0.1},
    "RandomColorDegeneration": {"factor": 0.1},
    "RandomContrast": {"factor": 0.1},
    "RandomHue": {"factor": 0.1},
    "RandomPosterization": {"factor": 2},
    "RandomRotation": {"factor": 0.1},
    "RandomSaturation": {"factor": 0.1},
    "RandomSharpness": {"factor": 0.1},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.1},
}
SIZED = ("Resizing", "CenterCrop", "RandomCrop")
CATEGORIES = ((None, 3, "int32"), (None, 1, "int32"), (None, 4, 1, "int32"))

CASES = [
    *(Case({name: NEEDS.get(name, {})}, (picture,)) for name, picture in product(AUGMENTATIONS, PICTURES)),
    *(Case({name: {}}, (picture,)) for name, picture in product(("Equalization", "RandomGrayscale"), PICTURES)),
    *(
        Case({name: {"height": 3, "width": 4, "data_format": form}}, (picture,))
        for name, form, picture in product(SIZED, ("channels_last", "channels_first"), PICTURES)
    ),
    *cases("Rescaling", [[picture] for picture in PICTURES], {"scale": 0.1}, {"scale": 0.1, "dtype": "mixed_float16"}),
    *cases("RandomFlip", [[PICTURES[0]]], {"dtype": "mixed_bfloat16"}, {"dtype": "float16"}),
    *cases(
        "CategoryEncoding",
        [[t] for t in (*CATEGORIES, (None, "int32"))],
        *({"num_tokens": 5, "output_mode": mode} for mode in ("multi_hot", "one_hot", "count")),
    ),
    *cases(
        "Hashing",
        [[t] for t in CATEGORIES],
        *({"num_bins": 5, "output_mode": mode} for mode in ("int", "multi_hot", "one_hot", "count")),
    ),
    *cases(
        "Discretization",
        [[t] for t in CATEGORIES],
        *({"bin_boundaries": [0.0, 1.0], "output_mode": mode} for mode in ("int", "multi_hot", "one_hot", "count")),
    ),
    *cases("MelSpectrogram", [[(None, 16000)], [(16000,)]]),
]


BY_CLASS = by_class(CASES)


@pytest.mark.parametrize("class_name", BY_CLASS)
def test_agrees_with_keras(class_name: str, tmp_path: Path) -> None:
    assert_agreement(BY_CLASS[class_name], tmp_path)


def test_refuses_what_is_no_image_before_keras_would() -> None:
    """Keras builds these symbolically and fails at the first batch."""
    every = [Case({name: NEEDS.get(name, {})}, (VECTOR,)) for name in AUGMENTATIONS]
    assert [str(case) for case in every if not refuses(layer_spec(made("layers", case.layer)), case)] == []
