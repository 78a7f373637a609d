"""Which group of the HDF5 file belongs to which layer.

A layer is stored at `layers/` and its class name in snake case, with a counter from the second one on, in the order of
the model's own `layers`; a nested model has its `layers/` below its own group. The layer's name is only an attribute.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from surgery.errors import ModelInvalid, ModelUnsupported
from surgery.model.hdf5 import Block, Group
from surgery.model.spec import LayerSpec, ModelSpec, WeightSpec, join_path
from surgery.model.weights import Stored

Blocks = dict[tuple[str, str], Block]
"""Where each variable is, by layer path and key."""

PYTHON_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Classes that Keras exports, and writes into configs, under another name than the groups are named after."""

COMPOSITES = {
    name: rank
    for rank, name in enumerate(
        ("forward_layer", "backward_layer", "query_dense", "key_dense", "value_dense", "gate_dense", "output_dense")
    )
}
"""Parts of Keras' own composite layers in the order of `layer.weights`; files have them by the alphabet."""


Classes = Mapping[str, str]
"""The classes that an older Keras called otherwise, by layer path."""


def group_names(spec: ModelSpec, inside: str = "", classes: Classes | None = None) -> dict[str, str]:
    """Names of the layers of one model and of their groups, as Keras counts them."""
    counts: dict[str, int] = {}
    names = {}
    for layer in spec.listed:
        class_name = (classes or {}).get(join_path(inside, layer.name), layer.class_name)
        snake = snake_case(PYTHON_NAMES.get(class_name, class_name))
        count = counts[snake] = counts.get(snake, -1) + 1
        names[layer.name] = f"{snake}_{count}" if count else snake
    return names


def snake_case(name: str) -> str:
    """`Conv2DTranspose` is `conv2d_transpose`, as Keras writes it."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def groups_of(spec: ModelSpec, prefix: str = "", inside: str = "") -> Iterator[tuple[str, str]]:
    """Every layer's path with its group's path, nested models included."""
    for name, group in group_names(spec).items():
        layer = spec.by_name[name]
        path, place = join_path(inside, name), f"{prefix}layers/{group}"
        yield path, place
        if layer.inner:
            yield from groups_of(layer.inner, f"{place}/", path)


def attach(spec: ModelSpec, root: Group, inside: str = "", classes: Classes | None = None) -> tuple[ModelSpec, Blocks]:
    """The model with its stored variables, and where they are.

    Names and trainability are not in the file: each variable is called by the last part of its key, and counts as
    trainable, until a shape rule tells (`surgery.model.prove`).

    Raises:
        ModelInvalid: groups and layers contradict each other.
        ModelUnsupported: a model has variables outside its layers.
    """
    if root.groups.get("vars", Group()).blocks:
        raise ModelUnsupported(
            f"the model '{spec.name}' has variables of its own, outside its layers",
            expected="a model whose variables all belong to layers",
        )
    stored = root.groups.get("layers", Group())
    names = group_names(spec, inside, classes)
    _check_groups(spec, stored, names)
    blocks: Blocks = {}
    layers = []
    for layer in spec.layers:
        group = stored.groups.get(names[layer.name]) if layer.name in names else None
        if group is not None:
            layer = _with_weights(layer, group, join_path(inside, layer.name), blocks, classes)
        layers.append(layer)
    return replace(spec, layers=tuple(layers)), blocks


def _check_groups(spec: ModelSpec, stored: Group, names: Mapping[str, str]) -> None:
    """Keras that writes names writes a group for every layer; before, layers without variables had none.

    An input that belongs to two models has one in the first of them alone.
    """
    expected = set(names.values())
    extra = sorted(set(stored.groups) - expected)
    if extra or stored.blocks:
        raise ModelInvalid(
            f"the weights of '{spec.name}' have {len(stored.groups)} layers and its config {len(spec.listed)}: "
            f"nothing in the config belongs to {', '.join(extra or stored.blocks)}",
            expected="weights and config of one and the same model",
        )
    names_layers = any(group.groups.get("vars", Group()).name is not None for group in stored.groups.values())
    inputs = {names[layer.name] for layer in spec.layers if layer.is_input and layer.name in names}
    missing = sorted(expected - inputs - set(stored.groups)) if names_layers else []
    if missing:
        raise ModelInvalid(
            f"the weights of '{spec.name}' have {len(stored.groups)} layers and its config {len(expected)}: "
            f"the file has nothing at {', '.join(missing)}",
            expected="weights and config of one and the same model",
        )


def _with_weights(layer: LayerSpec, group: Group, path: str, blocks: Blocks, classes: Classes | None) -> LayerSpec:
    said = group.groups.get("vars", Group()).name
    if said is not None and said != layer.name:
        raise ModelInvalid(
            f"the weights at the place of layer '{path}' are those of a layer called '{said}'",
            expected="weights in the order of the layers of the config",
        )
    if layer.inner:
        inner, inside = attach(layer.inner, group, path, classes)
        blocks |= inside
        return replace(layer, inner=inner)
    found = {_canonical(layer, key): block for key, block in _variables(group)}
    _check_keys(path, group)
    blocks |= {(path, key): block for key, block in found.items()}
    return replace(layer, weights=tuple(weight(path, key, block) for key, block in found.items()))


def weight(path: str, key: str, block: Block) -> WeightSpec:
    """A variable as the file tells of it: its name and whether it is trainable are for a shape rule to fill in."""
    source = Stored(path, key, block.shape, block.dtype)
    return WeightSpec(key, key.rpartition("/")[2], block.shape, block.dtype, True, source)


def _variables(group: Group) -> list[tuple[str, Block]]:
    found = [(key, block) for key, block in group.walk() if not is_seed(key, block)]
    return sorted(found, key=lambda item: _rank(item[0]))


def _canonical(layer: LayerSpec, key: str) -> str:
    """Keras before 3.15 kept the parts of a MultiHeadAttention under their private names: `_query_dense`."""
    is_private = layer.class_name == "MultiHeadAttention" and key.split("/")[0].removeprefix("_") in COMPOSITES
    return key.removeprefix("_") if is_private else key


def _rank(key: str) -> tuple[int, ...]:
    """Own variables first, then the parts of known composite layers; a stable sort leaves others where they are."""
    parts = key.split("/")
    if parts[0] == "vars":
        return (-1,)
    return tuple(COMPOSITES.get(part.removeprefix("_"), len(COMPOSITES)) for part in parts[:1])


def is_seed(key: str, block: Block) -> bool:
    """Whether a dataset is the state of a random generator, which is no weight. Keras stored them before 3.15."""
    return block.dtype == "uint32" and block.shape == (2,) and "generator" in key


def _check_keys(path: str, group: Group) -> None:
    numbers = [int(key) for key in group.groups.get("vars", Group()).blocks if key.isdecimal()]
    if numbers != list(range(len(numbers))):
        raise ModelInvalid(f"layer '{path}' lacks a variable: the file has numbers {numbers}")
