"""Optimizers, losses, metrics and callbacks of a recipe as live Keras objects; each call makes new ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from surgery.errors import InvalidValue, OutputRefused, SurgeryError
from surgery.execution.custom import load
from surgery.model.keras_object import KerasObject, ScheduleObject
from surgery.training.place import Field, at

MODULES = {
    "optimizers": keras.optimizers,
    "schedules": keras.optimizers.schedules,
    "losses": keras.losses,
    "metrics": keras.metrics,
    "callbacks": keras.callbacks,
    "layers": keras.layers,
}

PATH_ARGUMENTS = {
    "BackupAndRestore": "backup_dir",
    "CSVLogger": "filename",
    "ModelCheckpoint": "filepath",
    "TensorBoard": "log_dir",
}
"""The argument with which a callback of Keras names what it writes."""


def live(value: KerasObject, trust: Sequence[str], field: Field) -> Any:
    """The object itself. A bare name stays a name, which `compile` resolves against the model's outputs.

    Raises:
        InvalidValue: The class refuses its arguments.
        UntrustedImport: A class that nobody granted.
    """
    if value.plain:
        return value.class_name
    try:
        if value.custom_module is not None:
            module, name = value.custom_module, value.class_name
            made = at(field, lambda: load(module, name, trust))
        else:
            made = getattr(MODULES[value.kind], value.class_name)
        arguments = _arguments(value.config, trust, field)
        if value.kind == "metrics" and not value.is_custom:
            # Keras numbers the metrics of a process: the second AUC would be called auc_1.
            arguments = {"name": snake_case(value.class_name), **arguments}
        return made(**arguments)
    except SurgeryError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidValue(f"{value.class_name}: {_first_line(error)}", field=field) from error


def live_callback(value: KerasObject, folder: Path, trust: Sequence[str], field: Field) -> Any:
    """A callback; what it writes lies in the folder of the run.

    Raises:
        OutputRefused: It would write elsewhere.
    """
    argument = PATH_ARGUMENTS.get(value.class_name)
    if argument is None or value.is_custom:
        return live(value, trust, field)
    default = {"log_dir": "logs"}.get(argument)
    written = value.config.get(argument, default)
    if written is not None:
        value = type(value)(value.class_name, {**value.config, argument: _inside(folder, str(written), field)})
    return live(value, trust, field)


def snake_case(name: str) -> str:
    """A class name as Keras writes it in logs: `SparseCategoricalCrossentropy` is `sparse_categorical_crossentropy`."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _arguments(config: Mapping[str, Any], trust: Sequence[str], field: Field) -> dict[str, Any]:
    return {name: _argument(name, item, trust, (*field, name)) for name, item in config.items()}


def _argument(name: str, item: Any, trust: Sequence[str], field: Field) -> Any:
    if name == "learning_rate" and isinstance(item, Mapping):
        item = ScheduleObject.parse(item)
    return live(item, trust, field) if isinstance(item, KerasObject) else item


def _inside(folder: Path, written: str, field: Field) -> str:
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
