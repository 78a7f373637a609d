"""Every model of `keras.applications`, saved by Keras, is accepted by the scan: no false refusal."""

from __future__ import annotations

import gc
from pathlib import Path

import keras
import pytest

from surgery.model.scan import scan

pytestmark = pytest.mark.applications

NAMES = sorted(name for name, made in vars(keras.applications).items() if name[0].isupper() and callable(made))
SIZES = (32, 71, 75, 96, 224, 331)
"""The smallest inputs that one or another of them takes."""


def smallest(name: str) -> keras.Model:
    make = getattr(keras.applications, name)
    for size in SIZES:
        try:
            return make(weights=None, include_top=False, input_shape=(size, size, 3))
        except ValueError:
            continue
    return make(weights=None)


@pytest.mark.parametrize("name", NAMES)
def test_what_keras_saves_is_accepted(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.keras"
    smallest(name).save(path)
    keras.utils.clear_session()
    gc.collect()
    try:
        verdict = scan(path)
    finally:
        path.unlink()
    assert verdict.status == "accepted", verdict.findings
