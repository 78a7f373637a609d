"""From a file or folder that Keras saved to a ModelSpec, and to the values of its variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from surgery.errors import FileUnreadable, ModelInvalid
from surgery.model.archive.container import Container, open_container
from surgery.model.archive.groups import Blocks, attach, groups_of
from surgery.model.archive.index import KEPT, kept
from surgery.model.archive.values import Place, WeightValues
from surgery.model.config import from_config
from surgery.model.hdf5 import Group, open_file, read_tree
from surgery.model.spec import ModelSpec

Places = dict[tuple[str, str], Place]


def read_model(path: str | Path) -> ModelSpec:
    """The model in a `.keras` file or folder, or in an `.h5` of Keras 1, 2 or 3. Only headers are read.

    Raises:
        FileMissing, FileUnreadable: no such file, or damaged.
        ModelUnsupported: a subclassed model, weights without a model, a SavedModel, classes that Keras 3 does not have.
        ModelInvalid: a file that contradicts itself.
    """
    with open_container(path) as container:
        return _read(container)[0]


def open_weights(path: str | Path, *, compare: bool = True) -> WeightValues:
    """The values of every variable of a model file, by layer path and key. Close it, or use it in `with`.

    Args:
        path: The file.
        compare: Whether the weights are compared with their checksum. Not for a file that was written here a moment ago.

    Raises:
        As `read_model`.
    """
    return open_model(path, compare=compare)[1]


def open_model(path: str | Path, *, compare: bool = True) -> tuple[ModelSpec, WeightValues]:
    """Both at once, from one reading of the file.

    Raises:
        As `read_model`.
    """
    container = open_container(path)
    try:
        spec, places = _read(container)
        return spec, WeightValues(container, places, compare)
    except BaseException:
        container.close()
        raise


def read_assets(path: str | Path) -> dict[tuple[str, str], bytes]:
    """Vocabularies and other files beside the weights, by layer path and their name below the layer.

    Raises:
        As `read_model`; ModelInvalid when a file belongs to no layer.
    """
    with open_container(path, assets=True) as container:
        if not container.assets:
            return {}
        groups = {f"assets/{group}/": path for path, group in groups_of(_read(container)[0])}
        return {_owner(name, groups): data for name, data in container.assets.items()}


def stored_beside(path: str | Path) -> tuple[str, ...]:
    """The groups of weights that belong to no layer of the model: what a custom model class keeps besides its graph.

    Raises:
        As `read_model`.
    """
    with open_container(path) as container:
        assert container.weights is not None
        if container.kind == "h5":
            return ()
        with open_file(container.weights, str(container.path)) as file:
            groups = [name for name in file if name not in (*KEPT, "optimizer")]
            return tuple(name for name in groups if any(read_tree(file[name], container.weights.size).walk()))


def _owner(member: str, groups: Mapping[str, str]) -> tuple[str, str]:
    """The layer that a member of the archive belongs to: the innermost one."""
    owners = [group for group in groups if member.startswith(group)]
    if not owners:
        raise ModelInvalid(f"the file {member} in the archive belongs to no layer")
    group = max(owners, key=len)
    return groups[group], member.removeprefix(group)


def _read(container: Container) -> tuple[ModelSpec, Places]:
    if container.kind == "h5":
        from surgery.model.legacy import read_h5

        return read_h5(container)
    if container.keras_version.startswith("2"):
        from surgery.model.legacy import read_archive

        return read_archive(container, _tree(container))
    spec, blocks = attach(from_config(container.document), _tree(container))
    return spec, places(blocks)


def places(blocks: Blocks) -> Places:
    return {variable: Place((block,)) for variable, block in blocks.items()}


def _tree(container: Container) -> Group:
    """The headers of the layers' variables; an optimizer's stay unread."""
    assert container.weights is not None
    known = kept(container.weights.descriptor, container.weights.size)
    if known is not None:
        return known
    with open_file(container.weights, str(container.path)) as file:
        try:
            wanted = [name for name in KEPT if name in file]
            return Group(groups={name: read_tree(file[name], container.weights.size) for name in wanted})
        except (OSError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise FileUnreadable(f"the weights in {container.path} are damaged: {error}") from None
