"""The software and the machine that a result follows from, told without importing any of it."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from surgery.recipe import Recipe

PACKAGES = {"surgery": "keras-surgery", "keras": "keras", "numpy": "numpy", "h5py": "h5py"}
PILLOW = "pillow"
"""What decodes and resizes images."""
MISSING = "not installed"
DEFAULTS = {"floatx": "float32", "epsilon": 1e-07, "image_data_format": "channels_last"}
"""What Keras computes with unless its configuration says otherwise."""
LIMITS = {"max_epochs": "KERAS_MAX_EPOCHS", "max_steps_per_epoch": "KERAS_MAX_STEPS_PER_EPOCH"}
"""How Keras can be told to train less than it is asked to, and the variables for it."""


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
    found = _configuration().get("backend")
    return found if isinstance(found, str) and found else "tensorflow"


def settings() -> dict[str, str]:
    """What this machine's configuration of Keras changes about every run, by name; empty for most people."""
    limits = {name: os.environ.get(variable) for name, variable in LIMITS.items()}
    if "keras" in sys.modules:
        config = sys.modules["keras"].config
        found = {name: getattr(config, name)() for name in DEFAULTS}
    else:
        found = {name: value for name, value in _configuration().items() if name in DEFAULTS}
    chosen = {**found, **{name: value for name, value in limits.items() if value}}
    return {name: str(value) for name, value in sorted(chosen.items()) if value not in (None, DEFAULTS.get(name))}


def _configuration() -> dict[str, Any]:
    """What Keras' own configuration file says."""
    try:
        file = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()) / "keras.json"
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


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


INSTRUCTIONS = {"amx_tile": "AMX", "avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "sse4_1": "SSE4.1"}
"""What sums are computed with, by the flag that Linux has for it, the newest first: a processor of one name may have it or not."""
KERNELS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "TF_ENABLE_ONEDNN_OPTS")
"""Variables that choose other kernels on the same processor."""


def machine() -> str:
    """What else the last bits of a training depend on: system, processor, its instructions, number of threads."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [os.environ[name] for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS") if os.environ.get(name)]
    chosen = [f"{name}={os.environ[name]}" for name in KERNELS if os.environ.get(name)]
    parts = [f"{platform.system()} {platform.machine()}", *_processor(), f"{min([str(threads), *limits])} threads"]
    return ", ".join([*parts, *chosen])


def _processor() -> list[str]:
    """What it is called, and the newest of its instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    found = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in reversed(lines)}
    name = found.get("model name") or (platform.processor() or "unknown processor")
    flags = found.get("flags", "").split()
    return [name, *[text for flag, text in INSTRUCTIONS.items() if flag in flags][:1]]
