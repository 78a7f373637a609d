"""An architecture in JSON and the weights that `save_weights` wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgery.errors import ModelUnsupported
from surgery.model.archive.container import CONFIG, METADATA, WEIGHTS
from surgery.model.joining.architecture import Architecture
from surgery.model.scan import checked

if TYPE_CHECKING:
    import h5py

NAMES = 500
"""Names in one attribute: Keras cuts longer lists, for HDF5 has no room for them in one header."""


def join_pair(
    architecture: Architecture, weights: Path, folder: Path, trust: tuple[str, ...]
) -> tuple[Path, tuple[str, ...]]:
    """One model of both.

    Args:
        architecture: The model.
        weights: The file of its weights.
        folder: Where to put it.
        trust: The modules whose classes may be in it.

    Returns:
        The file, or the folder where the weights are those of an archive, and what there is to say of it.

    Raises:
        ModelUnsafe: the scan refuses the weights.
        ModelUnsupported: the weights are none.
    """
    import h5py

    with checked(weights, trust):
        if not h5py.is_hdf5(weights):
            raise ModelUnsupported(
                f"{weights} is no file of weights",
                expected="what model.save_weights('weights.h5') wrote",
                fix=f"surgery convert {weights} -o model.keras",
            )
        with h5py.File(weights) as file:
            if "model_config" in file.attrs:
                raise ModelUnsupported(
                    f"{weights} is a whole model, and needs no {architecture.path.name}",
                    expected="weights alone beside an architecture",
                    fix=f"surgery convert {weights} -o model.keras",
                )
            if "layers" in file and "layer_names" not in file.attrs and "layer_names0" not in file.attrs:
                return _as_folder(architecture, weights, folder / architecture.path.stem), ()
            made = folder / f"{architecture.path.stem}.h5"
            with h5py.File(made, "w") as whole:
                begin(whole, architecture, _text(file.attrs.get("keras_version")), _text(file.attrs.get("backend")))
                group = whole["model_weights"]
                for key, value in file.attrs.items():
                    group.attrs[key] = value
                for name in file:
                    file.copy(name, group)
    return made, ()


def begin(whole: h5py.File, architecture: Architecture, keras_version: str = "", backend: str = "") -> None:
    """The parts of a whole model that are not weights."""
    whole.create_group("model_weights")
    whole.attrs["model_config"] = architecture.text
    whole.attrs["keras_version"] = (keras_version or architecture.keras_version or "1").encode()
    whole.attrs["backend"] = (backend or architecture.backend).encode()


def write_names(group: Any, attribute: str, names: list[str]) -> None:
    """A list of names as Keras keeps it."""
    encoded = [name.encode() for name in names]
    if len(encoded) <= NAMES:
        group.attrs[attribute] = encoded
        return
    for number, start in enumerate(range(0, len(encoded), NAMES)):
        group.attrs[f"{attribute}{number}"] = encoded[start : start + NAMES]


def _as_folder(architecture: Architecture, weights: Path, folder: Path) -> Path:
    folder.mkdir()
    (folder / CONFIG).write_bytes(architecture.text)
    (folder / METADATA).write_text(json.dumps({"keras_version": architecture.keras_version or "3"}), encoding="utf-8")
    shutil.copyfile(weights, folder / WEIGHTS)
    return folder


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
