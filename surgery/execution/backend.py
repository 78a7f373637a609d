"""Loads Keras and its backend, without the backend's chatter.

TensorFlow 2.21 logs a dozen lines about the machine while it is imported, before any log level counts. They are held
back; whatever else is written to standard error meanwhile is passed on.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec

from surgery.errors import ExtraMissing

BACKENDS = ("tensorflow", "jax", "torch")

_CHATTER = re.compile(
    r"^[IW]\d{4} |^WARNING: All log messages before absl|^To enable the following instructions|failed call to cuInit"
)


def load_keras() -> None:
    """Imports Keras with the backend that `KERAS_BACKEND` or the user's Keras configuration names.

    Raises:
        ExtraMissing: when Keras or every backend of it is missing.
    """
    if "keras" in sys.modules:
        return
    missing = _absent()
    if missing:
        raise _missing(" and ".join(missing))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _without_chatter():
        try:
            keras = import_module("keras")
            if keras.config.backend() != "tensorflow":
                # On every backend Keras 3.15 imports it, if it is there, as soon as it makes a model of a config.
                with suppress(ImportError):
                    import_module("tensorflow")
            else:
                # Looking for a GPU is what TensorFlow complains about when there is none.
                sys.modules["tensorflow"].config.list_physical_devices("GPU")
        except ModuleNotFoundError as error:
            raise _missing(str(error.name)) from error


def is_installed() -> bool:
    """Whether Keras and a backend of it are there."""
    return "keras" in sys.modules or not _absent()


def _absent() -> list[str]:
    missing = [] if find_spec("keras") else ["keras"]
    return missing if any(find_spec(backend) for backend in BACKENDS) else [*missing, "a Keras backend"]


def _missing(what: str) -> ExtraMissing:
    installed = next((backend for backend in BACKENDS if find_spec(backend)), None)
    is_other = what in BACKENDS and installed is not None
    return ExtraMissing(
        f"{what} is needed for this and is not installed",
        expected="one of the extras tensorflow, cuda, jax, torch",
        fix=f"export KERAS_BACKEND={installed}" if is_other else "pip install 'keras-surgery[tensorflow]'",
    )


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Collects what native code writes to standard error, and passes on what is no chatter."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as collected:
        os.dup2(collected.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            collected.seek(0)
            for line in collected.read().decode(errors="replace").splitlines():
                if not _CHATTER.search(line):
                    print(line, file=sys.stderr)
