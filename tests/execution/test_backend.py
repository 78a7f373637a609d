"""What is said where Keras cannot have its backend."""

from __future__ import annotations

import pytest

from surgery.execution import backend


@pytest.mark.parametrize(
    ("installed", "missing", "fix"),
    [
        ("jax", "tensorflow", "export KERAS_BACKEND=jax"),
        ("", "tensorflow", "pip install 'keras-surgery[tensorflow]'"),
        ("jax", "keras", "pip install 'keras-surgery[tensorflow]'"),
    ],
)
def test_a_missing_package_is_named_with_what_to_type(
    installed: str, missing: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "find_spec", lambda name: name == installed or None)
    error = backend._missing(missing)
    assert error.what == f"{missing} is needed for this and is not installed"
    assert error.fix == fix
