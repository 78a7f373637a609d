"""What goes into a result, as facts: a name and a short text each, so that two states can be compared line by line.

Saved plans and locks hold the same facts. A fact is small on purpose: when two branches change different parts of a recipe,
each part's fact is right on its own, and the merged facts are those of the merged recipe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from surgery.model.archive import open_model, read_assets
from surgery.model.archive.optimizer import read_state
from surgery.model.fingerprint import canonical_json, config_digest, digest_of_lines, file_digest, variable_digest
from surgery.model.scan import checked
from surgery.planning.modules import code_facts
from surgery.planning.plan import Plan
from surgery.planning.stack import PILLOW, backend_of, settings, version_of, versions
from surgery.recipe import Recipe
from surgery.recipe.data import CsvData, FactoryData, ImageFolderData, NpzData, file_of
from surgery.recipe.guards import EWCGuard, ReplayGuard
from surgery.recipe.source import PresetModel

Facts = Mapping[str, str]

DataSource = NpzData | CsvData | ImageFolderData | FactoryData

LONGEST_LISTING = 200
"""Characters of names that stand in a fact as they are."""

NOT_VALUES = {"description", "parameters", "name", "surgery", "seed", "model"}
"""Keys of a recipe that decide nothing by themselves, or have facts of their own."""


def input_facts(plan: Plan) -> dict[str, str]:
    """Every fact that the result follows from, sorted."""
    computing = backend_of(plan.recipe)
    found = {
        "backend": computing,
        "device": plan.recipe.training.device if plan.recipe.training else "auto",
        "seed": str(plan.recipe.seed),
        **{f"backend {name}": value for name, value in settings().items()},
        **{f"version {name}": version for name, version in {**versions(computing), **dict(_further(plan))}.items()},
        **recipe_facts(plan.recipe),
        **model_facts(plan),
        **data_facts(plan.recipe),
        **code_facts(plan, data_sources(plan.recipe)),
    }
    return dict(sorted(found.items()))


def _further(plan: Plan) -> Iterator[tuple[str, str]]:
    """The versions of what not every run uses: what decodes and resizes images, what has the layers of a preset."""
    if any(isinstance(source, ImageFolderData) for source in data_sources(plan.recipe)):
        yield PILLOW, version_of(PILLOW)
    modules = {(layer.module or layer.registered_name or "").split(".")[0] for _, layer in plan.source.spec.walk()}
    if isinstance(plan.recipe.model, PresetModel) or "keras_hub" in modules:
        yield "keras-hub", version_of("keras-hub")


def recipe_facts(recipe: Recipe) -> dict[str, str]:
    """The recipe's values after its parameters, part by part. Layout, comments, descriptions and defaults are none."""
    values = json.loads(recipe.model_dump_json(by_alias=True, exclude_defaults=True))
    return {f"recipe {name}": _text(value) for name, value in _parts(values) if value not in (None, [], {})}


def _parts(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        match key, value:
            case _ if key in NOT_VALUES:
                continue
            case "training", dict():
                for name, part in value.items():
                    if name == "device":
                        continue
                    yield from _listed(f"training {name}", part) if name == "stages" else [(f"training {name}", part)]
            case "operations" | "evaluation", list():
                yield from _listed(key, value)
            case _:
                yield key, value


def _listed(name: str, values: list[Any]) -> Iterator[tuple[str, Any]]:
    for number, value in enumerate(values, 1):
        word = value.get("op") or value.get("name") or ""
        yield f"{name} {number} {word}".rstrip(), value


def model_facts(plan: Plan) -> dict[str, str]:
    """The source model: its canonical config, each variable, each file beside them; and further models by file."""
    found = {"model": plan.source.described, "model config": f"sha256:{config_digest(plan.source.spec)}"}
    names = {(p, w.key): w.name for p, layer in plan.source.spec.walk() for w in layer.weights}
    only_read = plan.source.holds_code
    with nullcontext() if plan.source.is_made else checked(plan.source.path, plan.trust, only_read=only_read):
        _, values = open_model(plan.source.path)
        with values:
            for path, key in values:
                name = f"model variable {path} {key} {names.get((path, key), '')}".rstrip()
                found[name] = f"sha256:{variable_digest(values[path, key])}"
        for (path, file), data in read_assets(plan.source.path).items():
            found[f"model asset {path} {file}"] = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if plan.stages and plan.stages[0].optimizer.origin == "file":
            _, state = read_state(plan.source.path)
            digests = [variable_digest(values) for values in state]
            found["model optimizer"] = _text(digests)
    for further in plan.files:
        found[f"model file {further}"] = f"sha256:{path_digest(plan.recipe.resolve(further))}"
    return found


def data_facts(recipe: Recipe) -> dict[str, str]:
    """Every file of data by its digest, and the classes of a folder of images: one that is empty moves the indices of those behind it.
    What a factory makes cannot be known before it runs, and that is said."""
    found = {}
    for source in data_sources(recipe):
        match file_of(source):
            case (kind, path):
                found[f"data {kind} {path}"] = f"sha256:{path_digest(recipe.resolve(path))}"
                if kind == "image_folder":
                    found[f"data classes {path}"] = _listing(classes_of(recipe.resolve(path)))
            case None if isinstance(source, FactoryData):
                found[f"data factory {source.factory}"] = "not pinned"
    return found


def data_sources(recipe: Recipe) -> Iterator[DataSource]:
    """Where the recipe's samples come from."""
    if recipe.training is not None:
        yield recipe.training.data.train
        if recipe.training.data.validation is not None:
            yield recipe.training.data.validation
        for guard in recipe.training.guards:
            match guard:
                case EWCGuard(ewc=old) | ReplayGuard(replay=old):
                    yield old.data
    for evaluation in recipe.evaluation:
        if not isinstance(evaluation.data, str):
            yield evaluation.data


def classes_of(folder: Path) -> list[str]:
    """The classes of a folder of images: its folders by name, in the order of their indices."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _listing(names: list[str]) -> str:
    text = ", ".join(names)
    is_plain = len(text) <= LONGEST_LISTING and text.isprintable() and not any("," in name for name in names)
    return text if is_plain else _text(names)


def path_digest(path: Path) -> str:
    """sha256 of a file; of a folder one digest over the relative names and the digests of its files, and the names of its folders
    without files."""
    if not path.is_dir():
        return file_digest(path)
    found = sorted(_below(path))
    folders = {parent for file in found if file.is_file() for parent in file.relative_to(path).parents}
    lines = [
        (name.as_posix(), file_digest(file)) if file.is_file() else (f"{name.as_posix()}/", "no files")
        for file, name in ((file, file.relative_to(path)) for file in found)
        if file.is_file() or (file.is_dir() and name not in folders)
    ]
    return digest_of_lines(lines)


def _below(folder: Path) -> Iterator[Path]:
    """The files and folders below a folder; behind a link to a folder too, where it is a class of images."""
    for path in folder.iterdir():
        yield path
        if path.is_dir():
            yield from path.rglob("*")


def moved(then: Facts, now: Facts) -> list[str]:
    """One line for each fact that is another one now, is gone, or is new."""
    return [text for _, text in differing(then, now)]


def differing(then: Facts, now: Facts) -> Iterator[tuple[str, str]]:
    """The same lines, each with the name of its fact."""
    for name in sorted({*then, *now}):
        before, after = then.get(name), now.get(name)
        if before == after:
            continue
        if before is None or after is None:
            yield name, f"{name} {'is new' if before is None else 'is gone'}: {_short(before or after or '')}"
        else:
            yield name, f"{name}: was {_short(before)}, is {_short(after)}"


def _short(text: str) -> str:
    """A digest by its beginning, as git shows one."""
    return text[:19] if text.startswith("sha256:") else text


def _text(value: Any) -> str:
    """A plain value as it is, a structure by its digest."""
    if isinstance(value, str | int | float | bool):
        return value if isinstance(value, str) else json.dumps(value)
    return f"sha256:{hashlib.sha256(canonical_json(value)).hexdigest()}"
