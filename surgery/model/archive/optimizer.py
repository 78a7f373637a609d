"""The optimizer that a model file was compiled with, and its variables: in `optimizer/vars`, or in an `.h5` in `optimizer_weights`.

Neither says which variable of the model each belongs to: they come in the order in which Keras made them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgery.errors import FileUnreadable, ModelInvalid
from surgery.model.archive.container import Container, open_container, parse_json
from surgery.model.archive.values import Place, WeightValues
from surgery.model.hdf5 import Block, open_file, read_block, read_tree

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredOptimizer:
    """An optimizer in a model file: its class, its arguments, and where its variables are, in Keras' order."""

    class_name: str
    config: Mapping[str, Any]
    keras_version: str
    blocks: tuple[Block, ...]


def read_optimizer(path: str | Path) -> StoredOptimizer | None:
    """The optimizer of a model file; None where the model was not compiled. Only headers are read.

    Raises:
        FileMissing, FileUnreadable, ModelInvalid: as `read_model`.
    """
    with open_container(path) as container, _open(container) as file:
        return _found(file, container)


def read_state(path: str | Path) -> tuple[StoredOptimizer, tuple[NDArray[Any], ...]]:
    """The optimizer of a model file, and the values of its variables.

    Raises:
        FileMissing, FileUnreadable, ModelInvalid: as `read_model`; or it has no optimizer.
    """
    with open_container(path) as container:
        with _open(container) as file:
            found = _found(file, container)
        if found is None:
            raise ModelInvalid(f"{container.path} was saved without an optimizer")
        with WeightValues(container, {("", block.path): Place((block,)) for block in found.blocks}) as values:
            return found, tuple(values["", block.path] for block in found.blocks)


def read_compiled_loss(path: str | Path) -> Any:
    """The loss that a model file says it was compiled with, in Keras' form; None where it says none.

    Raises:
        FileMissing, FileUnreadable, ModelInvalid: as `read_model`.
    """
    with open_container(path) as container:
        if container.kind == "h5":
            with _open(container) as file:
                text = file.attrs.get("training_config")
            compiled = None if text is None else parse_json(text, f"{container.path}: training_config")
        else:
            compiled = container.document.get("compile_config")
        return compiled.get("loss") if isinstance(compiled, Mapping) else None


def _open(container: Container) -> h5py.File:
    assert container.weights is not None
    return open_file(container.weights, str(container.path))


def _found(file: h5py.File, container: Container) -> StoredOptimizer | None:
    try:
        return _of_h5(file, container) if container.kind == "h5" else _of_archive(file, container)
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise FileUnreadable(f"the optimizer in {container.path} is damaged: {error}") from None


def _of_archive(file: h5py.File, container: Container) -> StoredOptimizer | None:
    compiled = container.document.get("compile_config")
    found = compiled.get("optimizer") if isinstance(compiled, Mapping) else None
    if not found:
        return None
    size = container.weights.size if container.weights else 0
    group = read_tree(file["optimizer"], size).groups.get("vars") if "optimizer" in file else None
    return _stored(found, container.keras_version, tuple(group.blocks.values()) if group else ())


def _of_h5(file: h5py.File, container: Container) -> StoredOptimizer | None:
    text = file.attrs.get("training_config")
    found = parse_json(text, f"{container.path}: training_config").get("optimizer_config") if text is not None else None
    if not found:
        return None
    size = container.weights.size if container.weights else 0
    group = file.get("optimizer_weights")
    names = () if group is None else _names(group)
    version = file.attrs.get("keras_version", "1")
    blocks = tuple(read_block(group[name], size) for name in names)
    return _stored(found, version.decode() if isinstance(version, bytes) else str(version), blocks)


def _stored(found: Any, version: str, blocks: tuple[Block, ...]) -> StoredOptimizer:
    if isinstance(found, str):
        return StoredOptimizer(found, {}, version, blocks)
    if not isinstance(found, Mapping) or not isinstance(found.get("config"), Mapping):
        raise ModelInvalid("the file says what the model was compiled with, and not in Keras' form")
    return StoredOptimizer(str(found.get("class_name")), found["config"], version, blocks)


def _names(group: h5py.Group) -> list[str]:
    """The names of the variables; a long list of them is cut into several attributes."""
    whole = group.attrs.get("weight_names")
    if whole is None:
        numbered = sorted(
            (name for name in group.attrs if name.startswith("weight_names")), key=lambda name: (len(name), name)
        )
        return [name.decode() for key in numbered for name in group.attrs[key]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in whole]
