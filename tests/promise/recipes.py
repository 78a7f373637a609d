"""Random operations of all kinds on a Keras model, as a recipe has them. Most are possible; some are not."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

import keras
from keras import layers

from tests.promise.oracle import flat

Entry = dict[str, Any]
OTHER = "other.keras"
"""A file of the same architecture with other values."""


class Writer:
    """Writes operations for one model."""

    def __init__(self, random: Random, model: Any) -> None:
        self.random = random
        self.items = list(flat(model).items())
        self.top = [layer.name for layer in model.layers]
        self.count = 0

    def entries(self) -> list[Entry]:
        """One to four operations."""
        kinds = self.random.choices(list(OPERATIONS), WEIGHTS, k=self.random.choice((1, 1, 2, 2, 3, 4)))
        return [{"op": kind, **OPERATIONS[kind](self)} for kind in kinds]

    def name(self) -> str:
        """The name of a new layer."""
        self.count += 1
        return f"new_{self.random.randint(0, 999)}_{self.count}"

    def path(self, *kinds: type, top: bool = False, inputs: bool = True) -> str:
        """A layer, of one of these classes where there is one."""
        items = [item for item in self.items if not top or "/" not in item[0]]
        if not inputs:
            items = [item for item in items if not isinstance(item[1], layers.InputLayer)] or items
        fits = [path for path, layer in items if isinstance(layer, kinds)] if kinds else []
        return self.random.choice(fits or [path for path, _ in items])

    def layer(self, path: str) -> Any:
        return dict(self.items)[path]

    def selector(self, *kinds: type) -> Any:
        """A selector of one of the forms that the language has."""
        random, path = self.random, self.path(*kinds)
        layer = self.layer(path)
        forms: list[Callable[[], Any]] = [
            lambda: path,
            lambda: [path, self.path(*kinds)],
            lambda: {"class": type(layer).__name__},
            lambda: {"regex": f"^{re.escape(path)}$"},
            lambda: {"from": random.choice(self.top), "to": self.top[-1]},
            lambda: {"last": random.randint(1, 3)},
            lambda: {"upstream_of": path},
            lambda: {"not": path},
            lambda: random.randint(-len(self.top), len(self.top) - 1),
            lambda: f"{path[:-1]}*",
        ]
        return random.choices(forms, (12, 2, 2, 1, 1, 1, 1, 1, 1, 1))[0]()

    def chain(self, path: str, most: int = 2) -> list[Entry]:
        """New layers that may follow a layer; some read others, too, or an input of their own."""
        shape = shape_of(self.layer(path))
        made = [self.new(shape) for _ in range(self.random.randint(1, most))]
        chance, last = self.random.random(), next(iter(made[-1].values()))
        if chance < 0.1 and "name" in last and "/" not in path:
            return [*made, {"Add": {"name": self.name(), "inputs": [last["name"], self.alike(shape)]}}]
        if chance < 0.15 and shape is not None and None not in shape[1:] and "/" not in path:
            size, name = list(shape[1:]), self.name()
            return [{"Input": {"shape": size, "name": name}}, {"Concatenate": {"inputs": [path, name]}}]
        return self.joined(path, made, shape) if chance < 0.35 else made

    def alike(self, shape: tuple[int | None, ...] | None) -> str:
        """A layer whose output has a shape, where there is one."""
        items = [(path, layer) for path, layer in self.items if "/" not in path]
        fits = [path for path, layer in items if shape is not None and shape_of(layer) == shape]
        return self.random.choice(fits or [path for path, _ in items])

    def joined(self, path: str, plain: list[Entry], shape: tuple[int | None, ...] | None) -> list[Entry]:
        """Layers that read each other, one more input of the model, merges, states, and arguments of a call."""
        random, before = self.random, path.rpartition("/")[2]
        name, other = self.name(), random.choice((before, random.choice(self.top)))
        middle = list(shape or (None, 3))[1:-1]
        width = (shape or (None, 3))[-1] or 3
        dense = {"Dense": {"units": width, "name": name}}
        merge = random.choice(("Add", "Concatenate", "Multiply", "Subtract", "MultiHeadAttention"))
        sizes = {"num_heads": 1, "key_dim": 2} if merge == "MultiHeadAttention" else {}
        forms: list[list[Entry]] = [
            [dense, {merge: {"inputs": [name, other], **sizes}}],
            [{"Input": {"shape": [*middle, width], "name": name}}, {merge: {"inputs": [other, name], **sizes}}],
            [
                {"Input": {"shape": [*middle, 2], "name": name}},
                {"Dense": {"units": width, "name": f"{name}_tower"}},
                {"Concatenate": {"inputs": [f"{name}_tower", other]}},
                {"Dense": {"units": width}},
            ],
            [{merge: sizes}],
            [{random.choice(("LSTM", "GRU")): {"units": width, "return_sequences": True, "return_state": True}}],
            [{"Bidirectional": {"layer": {"LSTM": {"units": width, "return_state": True}}}}],
            [{"Dropout": {"rate": 0.3, "call": {"training": random.choice((True, None))}}}],
        ]
        chosen = random.choice(forms)
        return random.choice(([*chosen, *plain], chosen, [*plain, *chosen]))

    def new(self, shape: tuple[int | None, ...] | None) -> Entry:
        """A new layer for a tensor of a shape; mostly one that keeps it."""
        random, width = self.random, (shape or (None, 3))[-1] or 3
        forms: list[Entry] = [
            {"Dense": {"units": random.choice((width, width, 3))}},
            {"Dense": {"units": width, "use_bias": False, "activation": "relu"}},
            {"Dropout": {"rate": 0.3}},
            {"Activation": {"activation": random.choice(("linear", "relu"))}},
            {"BatchNormalization": {}},
            {"LayerNormalization": {}},
            {"Identity": {}},
        ]
        if shape is not None and len(shape) == 3:
            forms += [
                {"LSTM": {"units": width, "return_sequences": True}},
                {"Bidirectional": {"layer": {"GRU": {"units": width, "return_sequences": True}}, "merge_mode": "sum"}},
                {"Conv1D": {"filters": width, "kernel_size": 2, "padding": "same"}},
                {"MultiHeadAttention": {"num_heads": 2, "key_dim": 2}},
                {"Flatten": {}},
            ]
        if shape is not None and len(shape) == 4:
            forms += [
                {"Conv2D": {"filters": width, "kernel_size": random.choice((1, 3)), "padding": "same"}},
                {"DepthwiseConv2D": {"kernel_size": 3, "padding": "same"}},
                {"GlobalAveragePooling2D": {}},
                {"ReLU": {}},
            ]
        form = random.choice(forms)
        ((kind, config),) = form.items()
        return {kind: {**config, **({"name": self.name()} if random.random() < 0.8 else {})}}

    def freeze(self) -> Entry:
        return {"layers": self.selector(), "optional": self.random.random() < 0.8}

    def rename(self) -> Entry:
        if self.random.random() < 0.2:
            return {"prefix": "old_", "layers": self.selector()}
        first, second = self.path(), self.path()
        if self.random.random() < 0.2 and first.rpartition("/")[0] == second.rpartition("/")[0] and first != second:
            return {"layers": {first: second.rpartition("/")[2], second: first.rpartition("/")[2]}}
        return {"layers": {first: self.name()}}

    def remove(self) -> Entry:
        soft = (layers.Dropout, layers.Activation, layers.ReLU, layers.BatchNormalization, layers.LayerNormalization)
        return {"layers": self.selector(*(soft if self.random.random() < 0.7 else ()))}

    def insert(self) -> Entry:
        path = self.path(inputs=False)
        return {self.random.choice(("after", "before")): path, "layers": self.chain(path)}

    def append(self) -> Entry:
        return {"layers": self.chain(self.top[-1])}

    def branch(self) -> Entry:
        path = self.path(top=True, inputs=False)
        return {"from": path, "layers": self.chain(path)}

    def replace(self) -> Entry:
        path = self.path(inputs=self.random.random() < 0.1)
        layer = self.layer(path)
        kind = type(layer).__name__
        weights = self.random.choice((None, None, "keep", "overlap", "fresh", "resample"))
        if self.random.random() < 0.1 and "/" not in path and self.top.index(path) + 1 < len(self.top):
            chain = [path, self.top[self.top.index(path) + 1]]
            return {"layers": chain, "with": self.chain(chain[1])} | ({"weights": weights} if weights else {})
        entry: Entry = {"layers": path} | ({"weights": weights} if weights else {})
        if self.random.random() < 0.5 and not isinstance(layer, keras.Model | layers.InputLayer):
            change = self.change(layer) if self.random.random() < 0.6 else {}
            return entry | {"with": [{kind: {"inherit": True, **change}}]}
        if self.random.random() < 0.3:
            return entry | {"with": self.joined(self.feeder(path), [self.new(shape_of(layer))], shape_of(layer))}
        return entry | {"with": [self.new(shape_of(layer)) for _ in range(self.random.choice((1, 1, 2)))]}

    def feeder(self, path: str) -> str:
        """A layer that feeds another, where it has one."""
        inbound = [node for made in self.layer(path)._inbound_nodes for node in made.parent_nodes]
        return inbound[0].operation.name if inbound else path

    def change(self, layer: Any) -> Entry:
        """Arguments of a layer with other values."""
        random = self.random
        match layer:
            case layers.Dense() | layers.LSTM() | layers.GRU() | layers.SimpleRNN():
                forms = [{"units": 5}, {"use_bias": False}, {"use_bias": True}, {"activation": "tanh"}]
            case layers.BatchNormalization() | layers.LayerNormalization():
                forms = [{"scale": False}, {"center": False}, {"scale": True}, {"epsilon": 0.01}]
            case layers.Conv2D() | layers.Conv1D():
                forms = [
                    {"filters": 5},
                    {"kernel_size": 2},
                    {"use_bias": False},
                    {"activation": "tanh"},
                    {"strides": 2},
                ]
            case layers.Dropout():
                forms = [{"rate": 0.7}]
            case layers.Embedding():
                forms = [{"output_dim": 5}, {"input_dim": 9}, {"mask_zero": True}]
            case layers.MultiHeadAttention():
                forms = [{"use_bias": False}, {"key_dim": 3}, {"num_heads": 3}]
            case layers.InputLayer():
                forms = [{"batch_size": 2}, {"shape": [3]}, {"batch_shape": [None, 4]}]
            case _:
                forms = [{"dtype": "float16"}]
        config = layer.get_config()
        forms = [form for form in forms if any(config.get(key) != value for key, value in form.items())] or forms
        return random.choice([*forms * 2, {"dtype": random.choice(("float16", "mixed_float16", "bfloat16"))}])

    def reconfigure(self) -> Entry:
        if self.random.random() < 0.1:
            called = {"training": self.random.choice((True, False, None))}
            return {"layers": self.path(layers.Dropout, layers.BatchNormalization), "call": called}
        path = self.path()
        if self.random.random() < 0.1:
            return {"layers": path, "call": {"training": self.random.choice((True, False, None))}, "optional": True}
        entry = {"layers": path, "config": self.change(self.layer(path))}
        weights = self.random.choice((None, None, "overlap", "fresh", "resample"))
        return entry | ({"weights": weights} if weights else {})

    def reinitialize(self) -> Entry:
        return {"layers": self.selector(layers.Dense, layers.Conv2D, layers.LSTM, layers.GRU)}

    def truncate(self) -> Entry:
        return {"after": self.path(top=True, inputs=False)}

    def resize(self) -> Entry:
        path = self.path(layers.Dense, layers.Conv2D, layers.Conv1D, layers.Embedding)
        sizes: Entry = {self.random.choice(("units", "units", "input_channels")): self.random.randint(1, 8)}
        if self.random.random() < 0.2:
            count = (shape_of(self.layer(path)) or (3,))[-1] or 3
            sizes = {"labels": {"old": list(range(count)), "new": self.random.sample(range(count + 2), count)}}
        return {"layer": path, **sizes, "new": self.random.choice(("initializer", "mean", "zero"))}

    def prune(self) -> Entry:
        how = self.random.choice(({"fraction": 0.4}, {"keep": 2}, {"channels": [0]}))
        chosen = self.selector(layers.Dense, layers.Conv2D, layers.Conv1D)
        return {"layers": chosen, **how, "criterion": self.random.choice(("l1", "l2"))}

    def lora(self) -> Entry:
        kinds = (layers.Dense, layers.Conv2D, layers.Embedding, layers.EinsumDense)
        return {"layers": self.selector(*kinds), "rank": self.random.choice((1, 2))}

    def merge_lora(self) -> Entry:
        return {"layers": "**", "optional": self.random.random() < 0.8}

    def cast(self) -> Entry:
        return {
            "layers": self.selector(),
            "dtype": self.random.choice(("float16", "bfloat16", "mixed_float16", "float32")),
        }

    def transplant(self) -> Entry:
        path = self.path()
        chosen = self.random.choice(({}, {"layers": self.selector()}, {"map": {path: path}}))
        return {"from": OTHER, **chosen}

    def average(self) -> Entry:
        chosen = self.random.choice(({}, {"layers": self.selector()}))
        return {"with": [OTHER], **self.random.choice(({}, {"weights": [2, 1]})), **chosen}


OPERATIONS: dict[str, Callable[[Writer], Entry]] = {
    name: getattr(Writer, "freeze" if name == "unfreeze" else name)
    for name in (
        "append", "average", "branch", "cast", "freeze", "insert", "lora", "merge_lora", "prune", "reconfigure", "reinitialize",
        "remove", "rename", "replace", "resize", "transplant", "truncate", "unfreeze",
    )
}  # fmt: skip
WEIGHTS = [{"merge_lora": 1, "average": 1, "transplant": 1, "truncate": 1}.get(name, 3) for name in OPERATIONS]


def shape_of(layer: Any) -> tuple[int | None, ...] | None:
    """The shape of a layer's only output, where it has one."""
    try:
        tensors = keras.tree.flatten(layer.output)
    except (AttributeError, ValueError):
        return None
    return tuple(tensors[0].shape) if len(tensors) == 1 else None
