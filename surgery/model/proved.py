"""A model file whose config and whose stored variables say the same."""

from __future__ import annotations

from pathlib import Path

from surgery.errors import ModelInvalid, ModelUnsupported
from surgery.model.archive import read_model
from surgery.model.prove import Ask, prove
from surgery.model.scan import checked
from surgery.model.spec import ModelSpec, WeightSpec
from surgery.model.weights import Stored, shape_text

_INTEGERS = ("int8", "uint8")


def read_proved(
    path: Path,
    ask: Ask | None = None,
    *,
    lenient: bool = False,
    trust: tuple[str, ...] | None = (),
    only_read: bool = False,
) -> ModelSpec:
    """A saved model with the shapes and variables that its layers have, checked against what the file stores.

    Args:
        path: The file or folder.
        ask: Asks Keras about a class that no static rule knows.
        lenient: Whether to leave open what only Keras could tell.
        trust: The modules whose classes the file may name. None for a file that Keras itself wrote here a moment ago, which
            is not scanned.
        only_read: Whether code in its Lambda layers does not matter, for Keras never gets to see them.

    Raises:
        ModelUnsafe: the scan does not accept the file.
        ModelInvalid, ModelUnsupported, FileMissing, FileUnreadable: it cannot be read.
    """
    if trust is None:
        return proved(read_model(path), path.name, ask, lenient=lenient)
    with checked(path, trust, only_read=only_read):
        spec = read_model(path)
    return proved(spec, path.name, ask, lenient=lenient)


def proved(spec: ModelSpec, name: str, ask: Ask | None = None, *, lenient: bool = False) -> ModelSpec:
    """The same of a model that is read already.

    Args:
        spec: The model as its file has it.
        name: What to call the file in errors.
        ask: Asks Keras about a class that no static rule knows.
        lenient: Whether to leave open what only Keras could tell.

    Raises:
        ModelInvalid: the file stores something else than the config says.
    """
    spec = prove(spec, ask, again=True, lenient=lenient)
    for path, layer in spec.walk():
        for weight in layer.weights:
            if weight.is_stored:
                _check(path, weight, name)
    return spec


def _check(path: str, weight: WeightSpec, name: str) -> None:
    stored = weight.source
    if isinstance(stored, Stored) and stored.dtype in _INTEGERS and weight.dtype not in _INTEGERS:
        raise ModelUnsupported(
            f"{name} stores the {weight.name} of '{path}' as {stored.dtype}, and its config says {weight.dtype}: Keras 3.15 does not "
            "write that the layers inside a layer are quantized, and cannot load such a file either",
            expected="a model whose quantized layers say so",
            fix="do the surgery before the model is quantized, or leave this class out with the filters of Model.quantize",
        )
    if isinstance(stored, Stored) and stored.shape == weight.shape:
        return
    what = (
        f"{name} stores the {weight.name} of '{path}' as {shape_text(stored.shape)}"
        if isinstance(stored, Stored)
        else f"{name} stores no {weight.name} for '{path}'"
    )
    raise ModelInvalid(
        what,
        expected=f"{shape_text(weight.shape)}, as the layer's config says",
        fix="save the model again with the Keras that made it",
    )
