"""What is wrong with data, from the beginnings of their files: without Keras, and without reading them.

The names of columns and the first rows of a CSV file, the headers of the arrays of an `.npz` file, the first bytes of images.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgery.errors import DataInvalid, FileUnreadable, SurgeryError, flatten
from surgery.model.spec import ModelSpec
from surgery.model.weights import shape_text
from surgery.planning import Plan
from surgery.planning.augmentation import class_of
from surgery.planning.losses import EXCLUSIVE
from surgery.recipe.data import CsvData, FactoryData, ImageFolderData, NpzData, file_of, targeted
from surgery.recipe.guards import EWCGuard, ReplayGuard, kind_of
from surgery.training.data.csv_file import beginning, column_errors, features_of, text_error
from surgery.training.data.image_files import EXTENSIONS, class_folders, images_in, is_image, is_pointer, no_size
from surgery.training.data.npz_file import NpzFile, chosen, found, single_number
from surgery.training.data.shapes import reshaping, takes
from surgery.training.place import Field

if TYPE_CHECKING:
    import numpy as np

MOST_IMAGES = 10_000
"""Whose first bytes are looked at, of one folder, spread over all its classes."""
CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}

Source = NpzData | CsvData | ImageFolderData | FactoryData


def header_errors(plan: Plan) -> list[SurgeryError]:
    """What keeps a run from learning from its data, or measuring on them, as far as the beginnings of the files tell.

    Files that are not there, or only their places, are no matter here; what a factory makes is not looked at.
    """
    errors: list[SurgeryError] = []
    known: set[str] = set()
    for field, source, model in _sources(plan):
        named = file_of(source)
        path = None if named is None else plan.recipe.resolve(named[1])
        if path is None or not (path.is_dir() if isinstance(source, ImageFolderData) else _is_there(path)):
            continue
        found = _errors(source, path, model)
        if not found and isinstance(source, ImageFolderData) and field[:2] == ("training", "data"):
            found = list(_units(source, path, plan))
        for error in found:
            if error.what not in known:
                known.add(error.what)
                error.field = (*field, *error.field)
                errors.append(error.at(plan.recipe.location(*error.field)))
    return errors


def _is_there(path: Path) -> bool:
    """Whether a file has what it should have: one that is empty, or a pointer of Git LFS, is a place for it."""
    return path.is_file() and path.stat().st_size > 0 and not is_pointer(path)


def _sources(plan: Plan) -> Iterator[tuple[Field, Source, ModelSpec]]:
    """All sources with their places, and the model that takes their samples."""
    recipe = plan.recipe
    if recipe.training is not None:
        data = recipe.training.data
        yield ("training", "data", "train"), data.train, plan.final
        if data.validation is not None:
            yield ("training", "data", "validation"), data.validation, plan.final
        for number, guard in enumerate(recipe.training.guards):
            place: Field = ("training", "guards", number, kind_of(guard), "data")
            match guard:
                case EWCGuard(ewc=old):
                    yield place, old.data, plan.source.spec
                case ReplayGuard(replay=old):
                    yield place, old.data, plan.final
    for number, evaluation in enumerate(recipe.evaluation):
        if not isinstance(evaluation.data, str):
            yield ("evaluation", number, "data"), evaluation.data, plan.final


def _errors(source: Source, path: Path, model: ModelSpec) -> list[SurgeryError]:
    try:
        match source:
            case NpzData():
                return list(_npz(source, path, model))
            case CsvData():
                return list(_csv(source, path, model))
            case ImageFolderData():
                return list(_images(source, path, model))
            case FactoryData():
                return []
    except SurgeryError as error:
        return flatten(error)


def _csv(source: CsvData, path: Path, model: ModelSpec) -> Iterator[SurgeryError]:
    columns, rows = beginning(path, source.delimiter)
    if missing := list(column_errors(path.name, columns, source)):
        yield from missing
        return
    wrong = text_error(path, columns, rows, source)
    if wrong is not None:
        yield wrong
        return
    yield from _shape("features", (len(features_of(source, columns)),), model, "")


def _npz(source: NpzData, path: Path, model: ModelSpec) -> Iterator[SurgeryError]:
    file = NpzFile(path)
    inputs = [ref.layer for ref in model.refs_in()]
    outputs = [ref.layer for ref in model.refs_out()]
    learned = targeted(source)
    is_known = learned is not None and set(learned) <= set(outputs)
    wanted = [name for name in outputs if name in (learned or ())] if is_known else outputs
    headers: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
    given: list[tuple[str, str, Field]] = []
    for place, (name, field) in zip(inputs, chosen(file, source.x, inputs, ("x",)), strict=False):
        given.append((place, found(file, name, field), field))
    named = [name for _, name, _ in given]
    named += [found(file, name, field) for name, field in chosen(file, source.y, wanted, ("y",))]
    if source.sample_weight is not None:
        named.append(found(file, source.sample_weight, ("sample_weight",)))
    for name in dict.fromkeys(named):
        headers[name] = file.header(name)
        if not headers[name][0]:
            raise single_number(name, ())
    lengths = {name: shape[0] for name, (shape, _) in headers.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        what = f"the arrays of {path.name} differ in length: {listed}"
        yield DataInvalid(what, expected="one entry for each example in every array")
        return
    for place, name, field in given:
        shape, dtype = headers[name]
        yield from _shape(name, shape[1:], model, place, field)
        tensor = _tensor(model, place)
        if tensor is not None and dtype.kind in "SU" and tensor[1] != "string":
            yield DataInvalid(f"'{name}' holds text", expected=f"{tensor[1]}, which '{place}' takes", field=field)


def _images(source: ImageFolderData, path: Path, model: ModelSpec) -> Iterator[SurgeryError]:
    classes = class_folders(path, source.class_names)
    tensor = _tensor(model, "")
    if source.image_size is None and tensor is not None and (len(tensor[0]) != 4 or None in tensor[0][1:3]):
        raise no_size(tensor[0], ())
    if tensor is not None and len(tensor[0]) == 4 and tensor[0][-1] not in (None, CHANNELS[source.color_mode]):
        modes = [mode for mode, channels in CHANNELS.items() if channels == tensor[0][-1]]
        yield DataInvalid(
            f"color_mode: {source.color_mode} gives {CHANNELS[source.color_mode]} channels, and the model takes {tensor[0][-1]}",
            expected=f"images of {tensor[0][-1]} channels",
            fix=f"color_mode: {modes[0]}" if modes else None,
            field=("color_mode",),
        )
    files = [file for name in classes for file in images_in(path / name)]
    if not files:
        yield DataInvalid(
            f"{path.name} holds no images",
            expected=f"files that end in {', '.join(sorted(EXTENSIONS))} in one subfolder for each class",
        )
    for file in files[:: max(1, len(files) // MOST_IMAGES)]:
        if not is_image(file) and not is_pointer(file):
            yield FileUnreadable(
                f"{file.parent.name}/{file.name} is no image: its first bytes are those of none",
                expected="a PNG, JPEG, GIF or BMP file",
                fix="remove the file, or save it again",
            )
            return


def _units(source: ImageFolderData, path: Path, plan: Plan) -> Iterator[SurgeryError]:
    """More classes than the only output that learns them has units for."""
    classes, model, training = len(class_folders(path, source.class_names)), plan.final, plan.recipe.training
    refs = [ref for ref in model.refs_out() if source.output in (None, ref.layer)]
    tensor = model.tensor(refs[0]) if len(refs) == 1 else None
    units = tensor.shape[-1] if tensor is not None and len(tensor.shape) == 2 else None
    losses = [stage.loss_of(refs[0].layer) for stage in training.stages] if training and len(refs) == 1 else []
    are_classes = any(loss is not None and class_of(loss) in EXCLUSIVE for loss in losses)
    if are_classes and units is not None and classes > units:
        yield DataInvalid(
            f"{path.name} has {classes} classes, and '{refs[0].layer}' has {units} units",
            expected=f"at most {units} subfolders, or a unit for each class",
            fix=f"give it units: {classes}",
        )


def _tensor(model: ModelSpec, name: str) -> tuple[tuple[int | None, ...], str] | None:
    """Shape and dtype of an input, of the only one where none is named; None where they are not known."""
    tensors = {ref.layer: model.tensor(ref) for ref in model.refs_in()}
    only = next(iter(tensors.values()), None) if len(tensors) == 1 else None
    tensor = tensors.get(name, only)
    return None if tensor is None else (tensor.shape, tensor.dtype)


def _shape(
    name: str, given: tuple[int, ...], model: ModelSpec, place: str, field: Field = ()
) -> Iterator[SurgeryError]:
    tensor = _tensor(model, place)
    wanted = () if tensor is None else tensor[0][1:]
    if tensor is not None and not takes(wanted, given):
        yield DataInvalid(
            f"an example of '{name}' has the shape {shape_text(given)}, and the model takes {shape_text(wanted)}",
            expected=f"arrays of {shape_text((None, *wanted))}, the examples first",
            fix=reshaping(wanted, given),
            field=field,
        )
