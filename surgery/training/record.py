"""What `run.json` says about the circumstances of a run: versions, device, digests."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import keras

from surgery.model.fingerprint import file_digest
from surgery.planning import Plan
from surgery.planning.facts import data_sources, path_digest
from surgery.recipe import Recipe
from surgery.recipe.data import file_of

FORMAT = 1


def versions() -> dict[str, str]:
    """The versions that decide what comes out."""
    backend = keras.backend.backend()
    packages = {"surgery": "keras-surgery", "keras": "keras", backend: backend, "numpy": "numpy"}
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name, package in packages.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def device_text(device: str) -> str:
    """`cpu, 2 threads`, or `gpu`."""
    if device != "cpu":
        return device
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"cpu, {threads} threads"


def recipe_text(recipe: Recipe) -> str:
    """The text of the recipe, where it was read from a file."""
    return recipe.path.read_text(encoding="utf-8") if recipe.path.is_file() else ""


def digests(plan: Plan) -> dict[str, str]:
    """sha256 of everything that goes into a run, by what it is."""
    recipe = plan.recipe
    found = {"recipe": hashlib.sha256(recipe_text(recipe).encode()).hexdigest()}
    if plan.source.path.is_file():
        found["source model"] = file_digest(plan.source.path)
    for key, path in dict.fromkeys(filter(None, map(file_of, data_sources(recipe)))):
        found[f"{key} {path}"] = path_digest(recipe.resolve(path))
    return found


def shown(path: Path) -> str:
    """A path as a person would type it here."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)
