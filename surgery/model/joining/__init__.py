"""Models that lie in several files: an architecture in JSON beside its weights, or a layers model of TensorFlow.js.

They are put together as one private file of the format that Keras would have saved, and that file is scanned and read as any
other: there is no second way to a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from surgery.errors import ModelUnsupported, SurgeryError, UsageError
from surgery.model.joining.architecture import Architecture, is_json, read_architecture
from surgery.model.joining.pair import join_pair
from surgery.model.joining.tensorflow_js import join_shards

__all__ = ["is_json", "joined"]


@contextmanager
def joined(paths: Sequence[Path], trust: tuple[str, ...] = ()) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The model that these files are together, as one file or folder for as long as this lasts, and what there is to say of it.

    Args:
        paths: A model; or an architecture and its weights; or the `model.json` of TensorFlow.js, whose shards lie beside it.
        trust: The modules whose classes may be in it.

    Raises:
        ModelUnsupported, ModelInvalid, ModelUnsafe, FileMissing, FileUnreadable: they are no model together.
    """
    described = [path for path in paths if is_json(path)]
    others = [path for path in paths if path not in described]
    if len(described) > 1 or len(others) > 1 or (others and not described and len(paths) > 1):
        raise UsageError(
            f"{', '.join(map(str, paths))} are not one model",
            expected="one model; or one architecture (.json) and its weights (.h5)",
            fix="surgery convert model.json weights.h5 -o model.keras",
        )
    if not described:
        yield others[0], ()
        return
    architecture = read_architecture(described[0])
    with TemporaryDirectory(prefix="surgery-") as folder:
        made, notes = _made(architecture, others, Path(folder), trust)
        try:
            yield made, notes
        except SurgeryError as error:
            raise _named(error, made, paths) from None


def _named(error: SurgeryError, made: Path, paths: Sequence[Path]) -> SurgeryError:
    """The error with the user's own files in the place of the one that was made of them."""
    named = " and ".join(map(str, paths))
    error.what = (
        error.what.replace(str(made), named) if str(made) in error.what else error.what.replace(made.name, named)
    )
    if error.fix and str(made) in error.fix:
        error.fix = error.fix.partition("; or ")[2] or None
    return error


def _made(
    architecture: Architecture, weights: list[Path], folder: Path, trust: tuple[str, ...]
) -> tuple[Path, tuple[str, ...]]:
    if architecture.manifest is not None:
        return join_shards(architecture, folder / f"{architecture.path.stem}.h5")
    if not weights:
        raise ModelUnsupported(
            f"{architecture.path} is the architecture of a model, without its weights",
            expected="the file of its weights beside it",
            fix=f"surgery convert {architecture.path} WEIGHTS.h5 -o model.keras",
        )
    return join_pair(architecture, weights[0], folder, trust)
