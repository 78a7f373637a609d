"""What `run.json` says about the circumstances of a run: versions, device, digests."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import keras

from surgery.model.fingerprint import file_digest
from surgery.planning import Plan
from surgery.recipe import Recipe
from surgery.recipe.data import CsvData, FactoryData, ImageFolderData, NpzData, file_of

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
    for key, path in dict.fromkeys(filter(None, map(file_of, _sources(recipe)))):
        found[f"{key} {path}"] = _digest(recipe.resolve(path))
    return found


def shown(path: Path) -> str:
    """A path as a person would type it here."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def _sources(recipe: Recipe) -> Iterator[NpzData | CsvData | ImageFolderData | FactoryData]:
    if recipe.training is not None:
        yield recipe.training.data.train
        if recipe.training.data.validation is not None:
            yield recipe.training.data.validation
    for evaluation in recipe.evaluation:
        if not isinstance(evaluation.data, str):
            yield evaluation.data


def _digest(path: Path) -> str:
    """Of a folder: one digest over the relative names and the digests of its files."""
    if not path.is_dir():
        return file_digest(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = (f"{file_digest(file)}  {file.relative_to(path).as_posix()}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
