"""One small Keras model for each thing that a graph may have, with values to feed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

Made = tuple[Any, Any]
"""A model and its inputs."""


def numbers(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def tokens() -> np.ndarray[Any, Any]:
    """Rows of numbers of words; 0 is none."""
    return np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0], [1, 1, 1, 1, 1]], "int32")


def shared_layer() -> Made:
    """One Dense at three places, and it feeds itself."""
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    twin = layers.Dense(4, activation="relu", name="twin")
    joined = layers.Concatenate(name="joined")([twin(left), twin(right), twin(twin(left))])
    return keras.Model([left, right], layers.Dense(2, name="head")(joined)), [numbers(3, 4), numbers(3, 4, seed=1)]


def nested_deeply() -> Made:
    """A model in a Sequential in a model in a model."""
    x = keras.Input((4,), name="core_in")
    core = keras.Model(x, layers.Add(name="sum")([x, layers.Dense(4, name="deep")(x)]), name="core")
    block = keras.Sequential([keras.Input((4,)), core, layers.Dense(4, name="after")], name="block")
    x = keras.Input((4,), name="encoder_in")
    encoder = keras.Model(x, layers.ReLU(name="relu")(block(x)), name="encoder")
    x = keras.Input((4,), name="image")
    return keras.Model(x, layers.Dense(2, name="head")(encoder(x))), numbers(3, 4)


def nested_twice() -> Made:
    """A model that two inputs go through."""
    x = keras.Input((4,), name="tower_in")
    tower = keras.Model(x, layers.Dense(3, name="embed")(layers.Dense(4, name="hidden")(x)), name="tower")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    far = layers.Subtract(name="far")([tower(left), tower(right)])
    return keras.Model([left, right], layers.Dense(1, name="head")(far)), [numbers(3, 4), numbers(3, 4, seed=1)]


def _two(structure: Callable[[Any, Any], Any]) -> Made:
    one, two = keras.Input((3,), name="one"), keras.Input((3,), name="two")
    wide = layers.Dense(4, name="wide")(layers.Add(name="both")([one, two]))
    ends = structure(layers.Dense(2, name="z_end")(wide), layers.Dense(1, name="a_end")(wide))
    return keras.Model(structure(one, two), ends), structure(numbers(2, 3), numbers(2, 3, seed=1))


def lists() -> Made:
    return _two(lambda one, two: [one, two])


def tuples() -> Made:
    return _two(lambda one, two: (one, two))


def dicts() -> Made:
    return _two(lambda one, two: {"one": one, "two": two})


def structures_in_structures() -> Made:
    return _two(lambda one, two: {"pair": [one, two]})


def keyword_arguments() -> Made:
    """Attention with tensors and switches given by name."""
    query, value = keras.Input((4, 8), name="query"), keras.Input((4, 8), name="value")
    mask = keras.Input((4, 4), dtype="bool", name="mask")
    attended = layers.MultiHeadAttention(2, 4, name="attention")(
        query, value, key=value, attention_mask=mask, use_causal_mask=True
    )
    scored = layers.Attention(name="scored")([attended, value], use_causal_mask=True)
    mixed = layers.AdditiveAttention(name="mixed")([scored, value])
    grouped = layers.GroupQueryAttention(4, 4, 2, name="grouped")(mixed, value)
    flags = np.tril(np.ones((2, 4, 4), bool))
    return keras.Model([query, value, mask], grouped), [numbers(2, 4, 8), numbers(2, 4, 8, seed=1), flags]


def masks() -> Made:
    """What an Embedding masks, through a recurrent layer, pooling and a wrapper."""
    words = keras.Input((5,), dtype="int32", name="words")
    x = layers.Embedding(7, 4, mask_zero=True, name="embedding")(words)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both_ways")(x)
    x = layers.TimeDistributed(layers.Dense(4), name="each_step")(x)
    x = layers.GRU(3, return_sequences=True, name="gru")(x)
    return keras.Model(words, layers.GlobalAveragePooling1D(name="mean")(x)), tokens()


def states() -> Made:
    """A decoder that begins with the states of an encoder."""
    source, target = keras.Input((5, 3), name="source"), keras.Input((4, 3), name="target")
    _, hidden, cell = layers.LSTM(4, return_state=True, name="encoder")(source)
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(target, initial_state=[hidden, cell])
    return keras.Model([source, target], layers.Dense(2, name="head")(decoded)), [numbers(2, 5, 3), numbers(2, 4, 3)]


def recurrent_cells() -> Made:
    x = keras.Input((5, 3), name="series")
    stacked = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], return_sequences=True, name="stacked")(x)
    return keras.Model(x, layers.SimpleRNN(2, name="simple")(stacked)), numbers(2, 5, 3)


def wrappers() -> Made:
    """A nested model at every step of a series, normalized kernels, convolutional memory."""
    frame = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(2, 3, name="conv")], name="frame")
    x = keras.Input((3, 6, 6, 1), name="film")
    y = layers.TimeDistributed(frame, name="frames")(x)
    y = layers.ConvLSTM2D(2, 3, name="memory")(y)
    y = layers.SpectralNormalization(layers.Conv2D(2, 2), name="spectral")(y)
    return keras.Model(x, layers.Flatten(name="flat")(y)), numbers(2, 3, 6, 6, 1)


def operations() -> Made:
    """Bare `keras.ops` between layers, with tensors and numbers, slices among them."""
    x = keras.Input((4, 3), name="image")
    y = ops.relu(layers.Dense(3, name="dense")(x)) * 2.0 + ops.mean(x, axis=1, keepdims=True)
    y = ops.concatenate([y[:, 0], ops.reshape(y[:, 1:], (-1, 9))], axis=-1)
    return keras.Model(x, layers.Dense(2, name="head")(y)), numbers(2, 4, 3)


def sequential() -> Made:
    chain = [layers.Dense(4, activation="relu", name="hidden"), layers.BatchNormalization(name="norm")]
    return keras.Sequential([keras.Input((3,)), *chain, layers.Dense(2, name="head")]), numbers(2, 3)


def sequential_without_input() -> Made:
    model = keras.Sequential([layers.Dense(4, name="hidden"), layers.Dense(2, name="head")])
    model(numbers(2, 3))
    return model, numbers(2, 3)


def random_layers() -> Made:
    x = keras.Input((8, 8, 3), name="image")
    y = layers.RandomFlip(seed=1, name="flip")(x)
    y = layers.RandomRotation(0.2, seed=2, name="turn")(y)
    y = layers.Dropout(0.5, seed=3, name="dropout")(layers.Rescaling(1 / 255, name="scale")(y))
    return keras.Model(x, layers.GlobalAveragePooling2D(name="pool")(layers.Conv2D(2, 3, name="conv")(y))), numbers(
        2, 8, 8, 3
    )


def adapted() -> Made:
    """Statistics of data are state that no training changes."""
    data = numbers(50, 3) * 3 + 1
    norm = layers.Normalization(name="norm")
    norm.adapt(data)
    bins = layers.Discretization(num_bins=4, output_mode="one_hot", name="bins")
    bins.adapt(data[:, :1])
    x = keras.Input((3,), name="row")
    one = keras.Input((1,), name="one")
    joined = layers.Concatenate(name="joined")([norm(x), bins(one)])
    return keras.Model([x, one], layers.Dense(2, name="head")(joined)), [numbers(2, 3), numbers(2, 1)]


def whole_numbers() -> Made:
    """Vocabularies of numbers."""
    lookup = layers.IntegerLookup(vocabulary=[10, 20, 30], output_mode="multi_hot", name="lookup")
    code = keras.Input((1,), dtype="int64", name="code")
    return keras.Model(code, layers.Dense(2, name="head")(lookup(code))), np.array([[10], [30], [7]])


FEATURES: dict[str, Callable[[], Made]] = {
    make.__name__: make
    for make in (
        shared_layer, nested_deeply, nested_twice, lists, tuples, dicts, structures_in_structures, keyword_arguments,
        masks, states, recurrent_cells, wrappers, operations, sequential, sequential_without_input, random_layers, adapted,
        whole_numbers,
    )
}  # fmt: skip
