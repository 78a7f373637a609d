"""The code outside Keras that a recipe uses, by digest. It is found as Python would find it, and never imported.

What counts is the whole package that a module is in, from its outermost regular package on; in a namespace, the folder of the
module. Of it count source and compiled modules, and the files of data beside them: no caches of bytecode, no hidden files, no
folders of runs, no recipes. What the package imports from elsewhere is not in the digest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from surgery.errors import FileMissing, FileUnreadable
from surgery.model.fingerprint import digest_of_lines, file_digest
from surgery.planning.plan import Plan
from surgery.recipe.data import FactoryData
from surgery.recipe.source import FactoryModel

COUNTED = frozenset(
    {
        *(".py", ".pyi", ".pyx", ".pyc", ".so", ".pyd", ".dylib", ".dll"),
        *(".json", ".txt", ".csv", ".tsv", ".toml", ".ini", ".cfg", ".yaml", ".yml", ".npy", ".npz"),
    }
)
"""What files of a package end in that decide what it computes."""
SKIPPED = frozenset({"__pycache__", "runs"})
UNCHECKED, NOT_FOUND = "unchecked", "not found"
OWN = frozenset({"keras", "keras_hub", "builtins"})
"""Packages that a lock has the version of."""

FACTORIES = (FactoryModel, FactoryData)

_RECIPE = re.compile(rb"^surgery\s*:", re.MULTILINE)


def code_facts(plan: Plan, sources: Iterable[object]) -> dict[str, str]:
    """A fact for each module that the recipe names, and one for each class from outside Keras that a model has.

    What strangers send may name what is not installed where it is looked at: that is `unchecked`.

    Args:
        plan: The plan of the recipe.
        sources: Where its samples come from.
    """
    missing = UNCHECKED if plan.recipe.is_restricted else NOT_FOUND
    classes = _classes(plan)
    factories = [source.factory for source in (plan.recipe.model, *sources) if isinstance(source, FACTORIES)]
    named = [*plan.recipe.imports, *(factory.partition(":")[0] for factory in factories)]
    modules = {*named, *(module for module in classes.values() if module)}
    digests = {f"code {name}": code_digest(name) or missing for name in sorted(modules) if _top(name) not in OWN}
    return {**digests, **{f"custom class {name}": module or "of no module" for name, module in classes.items()}}


def code_digest(name: str) -> str | None:
    """A digest of the package of a module, or of the module, a class or a function in it; None where Python would find none."""
    found, is_within = _outermost(name)
    if found is None:
        return None
    if found.origin in ("built-in", "frozen"):
        return "part of Python"
    try:
        lines = [line for place in _places(found, is_within) for line in _lines(place)]
    except (FileMissing, FileUnreadable, OSError):
        return None
    return f"sha256:{digest_of_lines(lines)}" if lines else None


def _classes(plan: Plan) -> dict[str, str]:
    """The module of each class of the source model and the result that is not Keras' own, by the name that the model has for it."""
    found = {}
    for _, layer in (*plan.source.spec.walk(), *plan.spec.walk()):
        module = layer.module or (layer.registered_name or "").rpartition(">")[0]
        if module and _top(module) not in OWN:
            found[layer.registered_name or layer.class_name] = layer.module or ""
    return found


def _top(name: str) -> str:
    return name.partition(".")[0]


def _outermost(name: str) -> tuple[ModuleSpec | None, bool]:
    """The outermost regular package of a module, or the module itself where it is in none; and whether a namespace has it.

    Only finders are asked, which look at folders. A namespace package has no code, so the next part is looked for in its folders.
    """
    first, *rest = name.split(".")
    is_within = False
    try:
        found = find_spec(first)
        for part in rest:
            if found is None or not _is_namespace(found):
                break
            inner = PathFinder.find_spec(part, [*(found.submodule_search_locations or [])])
            found, is_within = inner or found, inner is not None
    except (ImportError, ValueError, KeyError, AttributeError):
        return None, False
    return found, is_within


def _is_namespace(found: ModuleSpec) -> bool:
    return found.origin is None and found.submodule_search_locations is not None


def _places(found: ModuleSpec, is_within: bool) -> list[Path]:
    """The folders and files that have the code. A module in a namespace may import its neighbours."""
    archive = getattr(found.loader, "archive", None)
    if archive is not None:  # a module in a zip file
        return [Path(archive)]
    if _is_namespace(found):
        return [Path(folder) for folder in found.submodule_search_locations or []]
    if found.origin is None or not found.has_location:
        return []
    file = Path(found.origin)
    return [file.parent if file.stem == "__init__" or is_within else file]


def _lines(place: Path) -> Iterable[tuple[str, str]]:
    """Each file that counts, with its digest."""
    if not place.is_dir():
        return [(place.name, file_digest(place))]
    return [(file.relative_to(place).as_posix(), file_digest(file)) for file in sorted(_files(place))]


def _files(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(".") and real not in seen]
        seen.add(real)
        for name in names:
            file = Path(root, name)
            if file.suffix.lower() in COUNTED and not name.startswith(".") and file.is_file() and not _is_recipe(file):
                yield file


def _is_recipe(file: Path) -> bool:
    if file.suffix.lower() not in (".yaml", ".yml"):
        return False
    with file.open("rb") as opened:
        return bool(_RECIPE.search(opened.read(2**18)))
