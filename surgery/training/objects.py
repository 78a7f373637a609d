"""Optimizers, losses, metrics and callbacks of a recipe as live Keras objects; each call makes new ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from surgery.errors import InvalidValue, OutputRefused, SurgeryError
from surgery.execution.keras_objects import instantiate
from surgery.model import catalogue
from surgery.model.arguments import OBJECTS
from surgery.model.keras_object import OF_KIND, KerasObject
from surgery.model.path_text import path_problem
from surgery.training.place import Field, at


def live(value: KerasObject, trust: Sequence[str], field: Field) -> Any:
    """The object itself. A bare name stays a name, which `compile` resolves against the model's outputs.

    Raises:
        InvalidValue: The class refuses its arguments.
        UntrustedImport: A class that nobody granted.
    """
    if value.plain:
        return value.class_name
    try:
        arguments = _arguments(value, trust, field)
        if value.kind == "metrics" and not value.is_custom:
            # Keras numbers the metrics of a process: the second AUC would be called auc_1.
            arguments = {"name": snake_case(value.class_name), **arguments}
        return at(field, lambda: instantiate(value, arguments, trust))
    except SurgeryError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidValue(f"{value.class_name}: {_first_line(error)}", field=field) from error


def live_callback(value: KerasObject, folder: Path, trust: Sequence[str], field: Field) -> Any:
    """A callback; what it writes lies in the folder of the run.

    Raises:
        OutputRefused: It would write elsewhere.
    """
    known = None if value.is_custom else catalogue.find(value.kind, value.class_name)
    config = dict(value.config)
    for argument in known.arguments.values() if known else ():
        written = config.get(argument.name, argument.default)
        if argument.type == "path" and written is not None:
            config[argument.name] = _inside(folder, str(written), (*field, argument.name))
    return live(replace(value, config=config), trust, field)


def snake_case(name: str) -> str:
    """A class name as Keras writes it in logs: `SparseCategoricalCrossentropy` is `sparse_categorical_crossentropy`."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _arguments(value: KerasObject, trust: Sequence[str], field: Field) -> dict[str, Any]:
    """The arguments with the objects among them made: a schedule, the optimizer inside another, the layer of a wrapper."""
    known = None if value.is_custom else catalogue.find(value.kind, value.class_name)
    types = {name: argument.type for name, argument in known.arguments.items()} if known else {}
    return {
        name: _argument(item, OBJECTS.get(types.get(name, "")), trust, (*field, name))
        for name, item in value.config.items()
    }


def _argument(item: Any, kind: str | None, trust: Sequence[str], field: Field) -> Any:
    if kind is not None and isinstance(item, list | tuple):
        return [_argument(one, kind, trust, (*field, number)) for number, one in enumerate(item)]
    # Keras takes the names of other objects, and not that of the optimizer inside another (3.15).
    if kind is not None and isinstance(item, Mapping | str if kind == "optimizers" else Mapping):
        item = OF_KIND[kind].parse(item)
    return live(item, trust, field) if isinstance(item, KerasObject) else item


def _inside(folder: Path, written: str, field: Field) -> str:
    if wrong := path_problem(written):
        raise OutputRefused(wrong, expected="a path relative to that folder", fix="write a file name", field=field)
    root = folder.resolve()
    path = (root / written).resolve()
    if Path(written).is_absolute() or not path.is_relative_to(root) or path == root:
        raise OutputRefused(
            f"'{written}' lies outside the folder of the run",
            expected="a path relative to that folder",
            fix=f"write {Path(written).name or 'a file name'}",
            field=field,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(path)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
