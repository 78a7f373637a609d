"""What goes to the terminal."""

from __future__ import annotations

import json
from typing import Any

PACKAGES = ("keras-surgery", "keras", "tensorflow", "jax", "torch", "h5py", "numpy", "pydantic", "ruamel.yaml")


def print_json(document: Any) -> None:
    """One document, keys in the order that a reader wants them."""
    print(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))


def version_lines() -> list[str]:
    """Python, the system and every package that matters, a line each."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    lines = [f"python {platform.python_version()} on {platform.platform()}"]
    for package in PACKAGES:
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package} not installed")
    return lines
