"""What programs keep in an HDF5 file beside a model, and nobody reads with it: a note, where in the weights it is a refusal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from surgery.model.archive import read_model
from surgery.model.scan import scan

MODEL = Path(__file__).parents[1] / "keras2" / "sequential.h5"


def text(group: Any) -> None:
    group["kept"] = "what the author called it"


def texts(group: Any) -> None:
    group.create_dataset("kept", data=["a", "b"], dtype=h5py.string_dtype())


def record(group: Any) -> None:
    group["kept"] = np.zeros(3, dtype=[("a", "f4"), ("b", "i8")])


def reference(group: Any) -> None:
    group["kept"] = np.zeros(3, "f4")
    group["kept"].attrs["about"] = group.ref


def named_type(group: Any) -> None:
    group["kept"] = np.dtype("f4")


def packed(group: Any) -> None:
    group.create_dataset("kept", data=np.zeros((400, 4)), compression="lzf")


KINDS = [text, texts, record, reference, named_type, packed]


@pytest.mark.parametrize("keep", KINDS)
def test_what_lies_beside_the_weights_is_noted(keep: Callable[[Any], None], tmp_path: Path) -> None:
    path = shutil.copy(MODEL, tmp_path / "m.h5")
    with h5py.File(path, "r+") as file:
        keep(file.create_group("extra"))
    verdict = scan(path)
    assert verdict.is_accepted, verdict.findings
    assert {finding.code for finding in verdict.findings} == {"hdf5-unread"}
    assert verdict.findings[0].place.startswith("/extra/kept")
    assert read_model(path) == read_model(MODEL)


@pytest.mark.parametrize("keep", [kind for kind in KINDS if kind is not reference])
def test_what_lies_among_the_weights_is_refused(keep: Callable[[Any], None], tmp_path: Path) -> None:
    path = shutil.copy(MODEL, tmp_path / "m.h5")
    with h5py.File(path, "r+") as file:
        keep(file["model_weights"].create_group("extra"))
    assert not scan(path).is_accepted


def test_of_weights_alone_everything_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["dense/kernel"] = np.zeros(3)
        text(file.create_group("extra"))
    assert not scan(tmp_path / "m.h5").is_accepted
