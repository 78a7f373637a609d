"""Random Keras models of many kinds: branches, shared layers, nested models, sequences, images, tokens, mixed dtypes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import keras
import numpy as np
from keras import layers, ops

FEATURES = (3, 4, 6)
KINDS: dict[str, Callable[[Random], tuple[int, ...]]] = {
    "vector": lambda random: (random.choice(FEATURES),),
    "sequence": lambda random: (random.choice((4, 5)), random.choice(FEATURES)),
    "image": lambda random: (6, 6, random.choice(FEATURES)),
    "tokens": lambda random: (random.choice((4, 5)),),
}
POLICIES = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64")


class Network:
    """A model in the making: the tensors that there are, and a layer more with each step."""

    def __init__(self, random: Random, depth: int, prefix: str) -> None:
        self.random, self.depth, self.prefix = random, depth, prefix
        self.tensors: list[Any] = []
        self.made: list[Any] = []
        self.count = 0

    def name(self, kind: str) -> str:
        """A name that no other layer has; sometimes one that sorts otherwise than it is used."""
        self.count += 1
        return f"{self.random.choice(('', '', 'z_', 'a_'))}{self.prefix}{kind}{self.count}"

    def common(self) -> dict[str, Any]:
        """Arguments that every layer takes."""
        chance = self.random.random()
        common: dict[str, Any] = {"dtype": self.random.choice(POLICIES)} if chance < 0.06 else {}
        return common | ({"trainable": False} if self.random.random() < 0.1 else {})

    def step(self) -> None:
        """One layer more."""
        source = self.random.choice(self.tensors[-3:])
        if self.random.random() < 0.15 and (again := self._shared(source)) is not None:
            self.tensors.append(again)
            return
        if self.random.random() < 0.15 and (merged := self._merged(source)) is not None:
            self.tensors.append(merged)
            return
        kind = "tokens" if "int" in source.dtype else ("vector", "sequence", "image")[len(source.shape) - 2]
        layer = getattr(self, f"_{kind}")(source)
        self.made.append((layer, source.shape, source.dtype))
        outputs = [t for t in keras.tree.flatten(self._called(layer, source)) if len(t.shape) in (2, 3, 4)]
        self.tensors += outputs if self.random.random() < 0.4 else outputs[:1]

    def _called(self, layer: Any, source: Any) -> Any:
        if isinstance(layer, layers.MultiHeadAttention):
            values = [
                t for t in self.tensors if len(t.shape) == 3 and t.dtype == source.dtype and t.shape[1] is not None
            ]
            return layer(source, self.random.choice(values), use_causal_mask=self.random.random() < 0.2)
        if isinstance(layer, layers.LSTM | layers.GRU) and self.random.random() < 0.2:
            states = [t for t in self.tensors if t.shape == (source.shape[0], layer.units) and "float" in t.dtype]
            if states:
                count = 2 if isinstance(layer, layers.LSTM) else 1
                return layer(source, initial_state=self.random.choices(states, k=count))
        if isinstance(layer, keras.Model) and len(layer.inputs) > 1:
            return layer([source, source])
        return layer(source, training=True) if self.random.random() < 0.02 and has_training(layer) else layer(source)

    def _shared(self, source: Any) -> Any:
        fits = [layer for layer, shape, dtype in self.made if (shape, dtype) == (source.shape, source.dtype)]
        if not fits:
            return None
        return keras.tree.flatten(self._called(self.random.choice(fits), source))[0]

    def _merged(self, source: Any) -> Any:
        fits = [t for t in self.tensors if t.shape == source.shape and t.dtype == source.dtype and "float" in t.dtype]
        if "float" not in source.dtype:
            return None
        other = self.random.choice(fits)
        kind = self.random.choice(
            ("Add", "Multiply", "Concatenate", "Average", "Maximum", "Subtract", "op", "scaled", "join")
        )
        if kind == "op":
            return self.random.choice((ops.add, ops.multiply, ops.maximum))(source, other)
        if kind == "join":
            return ops.concatenate([source, other], axis=-1)
        if kind == "scaled":
            return ops.multiply(source, 0.5)
        return getattr(layers, kind)(name=self.name(kind.lower()))([source, other])

    def _vector(self, source: Any) -> Any:
        random, common = self.random, self.common()
        units = random.choice(FEATURES)
        made = {
            "dense": lambda: layers.Dense(
                units, activation=random.choice((None, "relu", "tanh")), use_bias=random.random() < 0.8, **common
            ),
            "norm": lambda: layers.BatchNormalization(
                scale=random.random() < 0.8, center=random.random() < 0.8, **common
            ),
            "ln": lambda: layers.LayerNormalization(**common),
            "drop": lambda: layers.Dropout(0.3),
            "act": lambda: layers.Activation(random.choice(("relu", "tanh", "linear"))),
            "prelu": lambda: layers.PReLU(),
            "scale": lambda: layers.Rescaling(0.5),
            "repeat": lambda: layers.RepeatVector(4),
            "unit": lambda: layers.UnitNormalization(),
            "noise": lambda: layers.GaussianNoise(0.1),
            "held": lambda: layers.Dense(
                units, kernel_regularizer="l2", bias_initializer="ones", kernel_constraint="non_neg", **common
            ),
            "shape": lambda: layers.Reshape((1, -1)),
            "nested": lambda: nested(random, source, self.depth - 1, self.name("inner")),
            "einsum": lambda: layers.EinsumDense("ab,bc->ac", output_shape=units, bias_axes="c", **common),
        }
        weights = {"dense": 8, "nested": 3 if self.depth else 0, "norm": 3}
        return self._one(made, weights)

    def _sequence(self, source: Any) -> Any:
        random, common = self.random, self.common()
        if common.get("dtype") == "bfloat16":
            common = {}  # Keras cannot make a recurrent kernel in it
        units, returns = random.choice(FEATURES), random.random() < 0.6
        cell = random.choice((layers.LSTM, layers.GRU, layers.SimpleRNN))
        made = {
            "rnn": lambda: cell(units, return_sequences=returns, use_bias=random.random() < 0.8, **common),
            "bi": lambda: layers.Bidirectional(
                cell(units, return_sequences=returns), merge_mode=random.choice(("concat", "sum"))
            ),
            "state": lambda: cell(units, return_sequences=returns, return_state=True),
            "depth": lambda: layers.DepthwiseConv1D(2, padding="same"),
            "causal": lambda: layers.Conv1D(units, 2, padding="causal", dilation_rate=2),
            "swap": lambda: layers.Permute((2, 1)),
            "crop": lambda: layers.Cropping1D(1) if source.shape[1] > 3 else layers.ZeroPadding1D(1),
            "up": lambda: layers.UpSampling1D(2),
            "attend": lambda: layers.EinsumDense("abc,cd->abd", output_shape=(None, units), bias_axes="d"),
            "cells": lambda: layers.RNN([layers.LSTMCell(units), layers.GRUCell(units)], return_sequences=returns),
            "conv": lambda: layers.Conv1D(units, 2, padding="same", **common),
            "sep": lambda: layers.SeparableConv1D(units, 2, padding="same"),
            "each": lambda: layers.TimeDistributed(layers.Dense(units)),
            "dense": lambda: layers.Dense(units, **common),
            "mha": lambda: layers.MultiHeadAttention(2, units, use_bias=random.random() < 0.8),
            "flat": layers.Flatten,
            "pool": layers.GlobalAveragePooling1D,
            "max": lambda: layers.MaxPooling1D(2, padding="same"),
            "ln": lambda: layers.LayerNormalization(**common),
            "norm": lambda: layers.BatchNormalization(**common),
            "drop": lambda: layers.SpatialDropout1D(0.2),
            "mask": layers.Masking,
        }
        return self._one(made, {"rnn": 4, "bi": 3, "flat": 3, "pool": 3, "mha": 2})

    def _image(self, source: Any) -> Any:
        random, common = self.random, self.common()
        filters, size = random.choice(FEATURES), random.choice((1, 2, 3))
        same = (
            {"padding": random.choice(("same", "same", "valid"))}
            if min(source.shape[1:3]) >= 3
            else {"padding": "same"}
        )
        made = {
            "conv": lambda: layers.Conv2D(
                filters,
                size,
                activation=random.choice((None, "relu")),
                use_bias=random.random() < 0.7,
                **same,
                **common,
            ),
            "depth": lambda: layers.DepthwiseConv2D(size, **same),
            "sepc": lambda: layers.SeparableConv2D(filters, size, **same),
            "up": lambda: layers.Conv2DTranspose(filters, 2, padding="same"),
            "norm": lambda: layers.BatchNormalization(scale=random.random() < 0.8, **common),
            "group": lambda: layers.GroupNormalization(-1),
            "step": lambda: layers.Conv2D(filters, 2, strides=2, padding="same", groups=1, **common),
            "large": lambda: layers.UpSampling2D(2) if source.shape[1] < 8 else layers.AveragePooling2D(2),
            "crop": lambda: layers.Cropping2D(1) if source.shape[1] > 4 else layers.ZeroPadding2D(1),
            "swap": lambda: layers.Permute((2, 1, 3)),
            "flow": lambda: layers.TimeDistributed(layers.Dense(filters)),
            "max": lambda: layers.MaxPooling2D(2, padding="same"),
            "gap": layers.GlobalAveragePooling2D,
            "flat": layers.Flatten,
            "pad": lambda: layers.ZeroPadding2D(1),
            "drop": lambda: layers.SpatialDropout2D(0.2),
            "relu": lambda: layers.ReLU(),
            "prelu": lambda: layers.PReLU(shared_axes=[1, 2]),
        }
        return self._one(made, {"conv": 6, "norm": 3, "gap": 3, "flat": 2})

    def _tokens(self, source: Any) -> Any:
        return layers.Embedding(
            7, self.random.choice(FEATURES), mask_zero=self.random.random() < 0.3, name=self.name("embed")
        )

    def _one(self, made: dict[str, Callable[[], Any]], weights: dict[str, int]) -> Any:
        kind = self.random.choices(list(made), [weights.get(name, 1) for name in made])[0]
        layer = made[kind]()
        if kind != "nested":
            layer.name = self.name(kind)
        return layer


def has_training(layer: Any) -> bool:
    return isinstance(layer, layers.Dropout | layers.BatchNormalization)


def nested(random: Random, source: Any, depth: int, name: str) -> Any:
    """A model as one layer, for a vector."""
    if random.random() < 0.4:
        chain = [layers.Dense(random.choice(FEATURES), name=f"{name}_chain{n}") for n in range(random.randint(1, 3))]
        return keras.Sequential([keras.Input(source.shape[1:]), *chain], name=name)
    inside = Network(random, depth, f"{name}_")
    count = 2 if random.random() < 0.2 else 1
    inputs = [keras.Input(source.shape[1:], name=f"{name}_in{number or ''}") for number in range(count)]
    inside.tensors = list(inputs)
    for _ in range(random.randint(1, 4)):
        inside.step()
    made = inside.tensors[count:]
    ends = made[-2:] if len(made) > 1 and random.random() < 0.2 else made[-1]
    return keras.Model(inputs if count > 1 else inputs[0], ends, name=name)


def random_model(random: Random, size: int = 9) -> Any:
    """A model of up to three inputs and outputs, its values random."""
    keras.backend.clear_session()
    network = Network(random, 2, "")
    if random.random() < 0.15:
        model = _sequential(random, network)
    else:
        kinds = random.choices(list(KINDS), (4, 2, 3, 2), k=random.choice((1, 1, 1, 2, 2, 3)))
        inputs = [
            keras.Input(KINDS[kind](random), dtype="int32" if kind == "tokens" else None, name=f"{kind}_{number}")
            for number, kind in enumerate(kinds)
        ]
        network.tensors = list(inputs)
        for _ in range(random.randint(2, size)):
            network.step()
        model = _closed(random, inputs, network)
    randomize(model, random.randint(0, 9999))
    if random.random() < 0.1:
        _adapt(random, model)
    return model


def _sequential(random: Random, network: Network) -> Any:
    network.tensors = [keras.Input(KINDS[random.choice(("vector", "sequence", "image"))](random))]
    chain = []
    for _ in range(random.randint(2, 6)):
        source = network.tensors[-1]
        layer = getattr(network, f"_{('vector', 'sequence', 'image')[len(source.shape) - 2]}")(source)
        is_single = not isinstance(layer, keras.Model) or (len(layer.inputs), len(layer.outputs)) == (1, 1)
        if isinstance(layer, layers.MultiHeadAttention) or getattr(layer, "return_state", False) or not is_single:
            continue
        chain.append(layer)
        network.tensors.append(layer(source))
    return keras.Sequential([keras.Input(network.tensors[0].shape[1:]), *chain], name="whole")


def _closed(random: Random, inputs: list[Any], network: Network) -> Any:
    made = network.tensors[len(inputs) :]
    ends = list({id(t): t for t in [made[-1], *random.choices(made, k=random.choice((0, 0, 0, 1, 2)))]}.values())
    as_dict = random.random() < 0.15
    return keras.Model(
        {tensor.name: tensor for tensor in inputs} if as_dict else inputs if len(inputs) > 1 else inputs[0],
        {f"out{n}": end for n, end in enumerate(ends)} if as_dict else ends if len(ends) > 1 else ends[0],
        name="whole",
    )


def _adapt(random: Random, model: Any) -> None:
    """LoRA on one of the layers that can have it."""
    fits = [layer for layer in model.layers if isinstance(layer, layers.Dense | layers.Conv2D | layers.Embedding)]
    if fits:
        random.choice(fits).enable_lora(2)


def randomize(model: Any, seed: int) -> None:
    """Other values in every float variable, so that no two are the same by chance."""
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        if "float" in str(variable.dtype):
            is_positive = variable.path.endswith("variance")
            values = (
                generator.uniform(0.2, 1.2, variable.shape) if is_positive else generator.normal(0, 0.5, variable.shape)
            )
            variable.assign(values.astype("float32"))


def numbers_for(model: Any, seed: int = 0) -> Any:
    """A batch for every input, as the model takes it."""
    generator = np.random.default_rng(seed)

    def numbers(tensor: Any) -> Any:
        shape = (tensor.shape[0] or 2, *(axis or 4 for axis in tensor.shape[1:]))
        if "int" in tensor.dtype:
            return generator.integers(0, 3, shape).astype(tensor.dtype)
        return generator.normal(size=shape).astype("float32")

    inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model._inputs_struct
    return keras.tree.map_structure(numbers, inputs)
