"""A model of another Keras, or in several files, as an archive of Keras 3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from surgery.errors import PromiseBroken, UsageError
from surgery.model.archive import open_weights, read_assets, read_model, write_archive
from surgery.model.archive.values import WeightValues
from surgery.model.joining import joined
from surgery.model.prove import Ask
from surgery.model.proved import read_proved
from surgery.model.scan import require_safe
from surgery.model.spec import ModelSpec


def convert(files: Sequence[Path], output: Path, ask: Ask, trust: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Writes the model that these files are, and reads it back before it is put in place.

    Args:
        files: One model; or an architecture and its weights; or the `model.json` of TensorFlow.js.
        output: A path that ends in `.keras`.
        ask: Asks Keras about a class that no static rule knows.
        trust: The modules whose classes may be in it.

    Returns:
        What was made otherwise than it lay there, a sentence each.

    Raises:
        UsageError: the output is one of the files, or no `.keras`.
        ModelUnsafe, ModelUnsupported, ModelInvalid, FileMissing, FileUnreadable: they cannot be read.
    """
    if output.suffix != ".keras" or any(output.exists() and file.exists() and output.samefile(file) for file in files):
        raise UsageError(
            f"{output} cannot be the outcome",
            expected="the name of another file, with the ending .keras",
            fix=f"-o {output.with_suffix('.keras').name if output.suffix != '.keras' else f'{output.stem}-3.keras'}",
        )
    with joined(files, trust) as (path, notes):
        spec = read_proved(path, ask, trust=trust)
        assets = read_assets(path)
        with open_weights(path) as values:
            write_archive(output, spec, values, assets=assets, verify=lambda made: _compare(made, spec, values, trust))
    return (*notes, *spec.notes)


def _compare(made: Path, spec: ModelSpec, values: WeightValues, trust: tuple[str, ...]) -> None:
    require_safe(made, trust)
    read_model(made)
    with open_weights(made, compare=False) as written:
        for path, layer in spec.walk():
            for weight in layer.weights:
                one, other = values[path, weight.key], written[path, weight.key]
                if one.dtype != other.dtype or not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
                    raise PromiseBroken(f"the {weight.name} of '{path}' is not that of the source")
