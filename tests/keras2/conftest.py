"""These tests need tf_keras and take long, so they are collected by `-m keras2` alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether to leave a file out."""
    if config.option.markexpr != "keras2":
        return True
    # SpectralNormalization of tf_keras 2.21 takes a class of `tf.keras`, which is Keras 3 otherwise.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    return None
