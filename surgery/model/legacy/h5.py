"""Reading an `.h5` of Keras 1, 2 or 3: its config, and the list of weights that each layer has in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from surgery.errors import FileUnreadable, ModelInvalid, ModelUnsupported
from surgery.model.archive.container import Container, parse_json
from surgery.model.hdf5 import Block, open_file, read_block

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True, slots=True)
class Saved:
    """A weight of a layer: its name in the file, and where it is."""

    name: str
    block: Block


@dataclass(frozen=True, slots=True)
class OldFile:
    """What an `.h5` says."""

    document: Mapping[str, Any]
    version: str
    backend: str
    weights: Mapping[str, tuple[Saved, ...]]
    """The weights of each layer of the model, in the order of the file."""
    is_guessed: bool = False
    """Whether the file does not say which Keras wrote it, and its layers tell."""

    @property
    def is_keras_1(self) -> bool:
        return self.version.startswith(("0", "1"))

    @property
    def is_keras_3(self) -> bool:
        return not self.version.startswith(("0", "1", "2"))


def read_old_file(container: Container) -> OldFile:
    """The config and the index of weights of an `.h5`.

    Raises:
        FileUnreadable: it is damaged.
        ModelUnsupported: it holds weights and no model.
        ModelInvalid: it contradicts itself.
    """
    assert container.weights is not None
    with open_file(container.weights, str(container.path)) as file:
        try:
            return _read(file, container)
        except (OSError, RuntimeError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise FileUnreadable(f"{container.path} is damaged: {error}") from None


def _read(file: h5py.File, container: Container) -> OldFile:
    assert container.weights is not None
    config = file.attrs.get("model_config")
    if config is None:
        raise ModelUnsupported(
            f"{container.path} holds weights and no model",
            expected="a whole model: model.save('name.keras')",
            fix=f"where model.to_json() is beside it: surgery convert MODEL.json {container.path} -o model.keras; for one of "
            f"keras.applications: model: {{application: NAME, weights: {container.path}}}; for others build the model in Keras, "
            "model.load_weights(...) this file, and model.save('name.keras')",
        )
    group = file["model_weights"]
    document = parse_json(_text(config), f"{container.path}: model_config")
    said = file.attrs.get("keras_version", group.attrs.get("keras_version"))
    version = _version_of(document) if said is None else _text(said)
    backend = _text(file.attrs.get("backend", group.attrs.get("backend", "")))
    weights = {name: _weights(group[name], container.weights.size) for name in _names(group, "layer_names")}
    own = "top_level_model_weights"
    if own in group and _names(group[own], "weight_names"):
        raise ModelUnsupported(
            f"the model in {container.path} has variables of its own, outside its layers",
            expected="a model whose variables all belong to layers",
        )
    return OldFile(document, version, backend, weights, is_guessed=said is None)


def _version_of(value: Any) -> str:
    """Which Keras wrote a config, by words that only it has: Keras 3 policies of dtypes, Keras 2 initializers of kernels."""
    if isinstance(value, list):
        return max(map(_version_of, value), default="1")
    if not isinstance(value, Mapping):
        return "1"
    if value.get("class_name") == "DTypePolicy":
        return "3"
    own = "2" if any(key.endswith(("kernel_initializer", "_v2")) for key in value) else "1"
    return max([own, *map(_version_of, value.values())])


def _weights(group: h5py.Group, size: int) -> tuple[Saved, ...]:
    import h5py

    saved = []
    for name in _names(group, "weight_names"):
        if name not in group:
            raise ModelInvalid(f"the file names the weight {name} of {group.name} and does not hold it")
        if any(
            isinstance(group.get(part, getlink=True), h5py.SoftLink | h5py.ExternalLink) for part in _prefixes(name)
        ):
            raise ModelInvalid(f"the file has a link in place of the weight {name}")
        saved.append(Saved(name, read_block(group[name], size)))
    return tuple(saved)


def _prefixes(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """A list of names in an attribute. One name for many things would have them read over and over.

    Raises:
        ModelInvalid: two names stand for the same place.
    """
    names = _listed(group, attribute)
    if len({tuple(part for part in name.split("/") if part not in ("", ".")) for name in names}) < len(names):
        raise ModelInvalid(f"the file names something twice in {attribute} of {group.name}")
    return names


def _listed(group: h5py.Group, attribute: str) -> list[str]:
    """Long lists are cut into several: `weight_names0`, `weight_names1`."""
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    names: list[str] = []
    chunk = 0
    while f"{attribute}{chunk}" in group.attrs:
        names += [_text(name) for name in group.attrs[f"{attribute}{chunk}"]]
        chunk += 1
    return names


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
