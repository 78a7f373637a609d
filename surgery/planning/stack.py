"""The software and the machine that a result follows from, told without importing any of it."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path

from surgery.recipe import Recipe

PACKAGES = {"surgery": "keras-surgery", "keras": "keras", "numpy": "numpy", "h5py": "h5py"}
MISSING = "not installed"


def backend_of(recipe: Recipe) -> str:
    """The backend that a run of a recipe computes with."""
    asked = recipe.training.backend if recipe.training else None
    return asked or backend()


def backend() -> str:
    """The backend of this process: that of Keras, or the one that Keras would start with: `KERAS_BACKEND`, else its own
    configuration file."""
    if "keras" in sys.modules:
        return str(sys.modules["keras"].config.backend())
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    file = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()) / "keras.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "tensorflow"
    return found if isinstance(found, str) and found else "tensorflow"


def versions(computing: str | None = None) -> dict[str, str]:
    """The versions that decide what comes out, by name.

    Args:
        computing: The backend; left out, that of this process.
    """
    computing = computing or backend()
    names = {**PACKAGES, computing: computing}
    return {"python": platform.python_version(), **{name: version_of(package) for name, package in names.items()}}


def version_of(package: str) -> str:
    """The version of an installed package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        return MISSING


def machine() -> str:
    """What else the last bits of a training depend on: system, processor, number of threads."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [os.environ[name] for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS") if os.environ.get(name)]
    return f"{platform.system()} {platform.machine()}, {_processor()}, {min([str(threads), *limits])} threads"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )
