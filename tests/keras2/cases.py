"""Layers and small networks of Keras 2, one or more for every class: what a file of it must mean in Keras 3 too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import tf_keras
from tf_keras import layers

Make = Callable[[], Any]
Input = tuple[tuple[int | None, ...], str]
"""Shape without the batch, and what goes in: `float`, `mask` (with steps of zeros at the end), `uint8`, or `ids` up to 9."""


@dataclass(frozen=True)
class Case:
    """A model of Keras 2."""

    name: str
    make: Make
    tolerance: float = 1e-6
    """What outputs may differ by, relative to the largest of them, or to 1."""
    why: str = ""
    """Why the tolerance is another one."""
    refused: str = ""
    """What the refusal says, where the file is one that Keras 3 cannot mean."""
    archive_only: bool = False
    kinds: Mapping[str, str] = field(default_factory=dict)
    """What goes into an input other than numbers or ids, by its name."""

    @property
    def layer(self) -> str:
        return self.name.partition(" ")[0]


def one(layer: Any, *shapes: tuple[int | None, ...], dtype: str = "float32") -> Any:
    """A model that is one layer on one or several inputs."""
    inputs = [tf_keras.Input(shape, dtype=dtype) for shape in shapes]
    return tf_keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))


def chain(*entries: Any) -> Any:
    return tf_keras.Sequential(list(entries))


def cases() -> Iterator[Case]:
    """Every case, by class."""
    for rule in (_core, _convolutions, _recurrent, _hard_sigmoid, _normalizations, _pooling, _reshaping, _merging, _image,
                 _attention, _activations, _wrappers, _masks, _models):  # fmt: skip
        yield from rule()


def _case(name: str, layer: Make, *shapes: tuple[int | None, ...], **options: Any) -> Case:
    dtype = options.pop("dtype", "float32")
    return Case(name, lambda: one(layer(), *shapes, dtype=dtype), **options)


ROUNDED = "1.2 times a weight is rounded, in sums of up to 100 products"
ACTIVATIONS = (
    *("elu", "exponential", "gelu", "hard_sigmoid", "linear", "mish", "relu", "selu", "sigmoid", "softmax", "softplus"),
    *("softsign", "swish", "tanh"),
)


def _core() -> Iterator[Case]:
    for name in ACTIVATIONS:
        yield _case(f"Dense {name}", lambda name=name: layers.Dense(5, activation=name), (4,))
        yield _case(f"Activation {name}", lambda name=name: layers.Activation(name), (3, 4))
    yield _case("Dense 3D", lambda: layers.Dense(5, use_bias=False), (3, 4))
    yield _case("Dense with PReLU as activation", lambda: layers.Dense(5, activation=layers.PReLU()), (4,))
    yield Case("Dense with PReLU as activation, in a chain and shared", _prelu_inside)
    yield _case("Conv2D with PReLU as activation", lambda: layers.Conv2D(5, 3, activation=layers.PReLU(
        shared_axes=[1, 2])), (6, 7, 3))  # fmt: skip
    yield _case("LSTM with PReLU as activation", lambda: layers.LSTM(5, activation=layers.PReLU()), (6, 3),
                refused="PReLU")  # fmt: skip
    yield _case("Dense with LeakyReLU as activation", lambda: layers.Dense(5, activation=layers.LeakyReLU(0.3)), (4,))
    yield _case("Dense with ReLU as activation", lambda: layers.Dense(5, activation=layers.ReLU(2.0)), (4,))
    yield _case("Dense regularized", lambda: layers.Dense(
        5, kernel_regularizer="l2", bias_regularizer=tf_keras.regularizers.l1_l2(0.1, 0.2), activity_regularizer="l1",
        kernel_constraint="max_norm", bias_constraint="non_neg"), (4,))  # fmt: skip
    yield _case("EinsumDense", lambda: layers.EinsumDense("abc,cd->abd", (None, 6), bias_axes="d"), (3, 4))
    yield _case("EinsumDense hard_sigmoid", lambda: layers.EinsumDense(
        "abc,cd->abd", (None, 6), bias_axes="d", activation="hard_sigmoid"), (3, 4))  # fmt: skip
    yield _case("Embedding", lambda: layers.Embedding(9, 5), (6,), dtype="int32")
    yield _case("Embedding of floats", lambda: layers.Embedding(9, 5, input_length=6), (6,), kinds={"*": "ids"})
    yield _case("Lambda", lambda: layers.Lambda(lambda x: x + 1), (4,), refused="Lambda")
    yield _case("Masking", lambda: layers.Masking(0.0), (5, 3), kinds={"*": "mask"})
    for rate in ("Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout"):
        yield _case(rate, lambda rate=rate: getattr(layers, rate)(0.3), (5, 3))
    yield _case("SpatialDropout2D", lambda: layers.SpatialDropout2D(0.3), (5, 4, 3))
    yield _case("SpatialDropout3D", lambda: layers.SpatialDropout3D(0.3), (5, 4, 3, 2))
    yield _case("ActivityRegularization", lambda: layers.ActivityRegularization(0.1, 0.2), (4,))
    yield _case("UnitNormalization", lambda: layers.UnitNormalization(), (3, 4))
    yield Case("Identity", lambda: one(layers.Identity(), (3, 4)))


def _prelu_inside() -> Any:
    dense = layers.Dense(4, activation=layers.PReLU())
    chained = chain(layers.Dense(4, activation=layers.PReLU(), input_shape=(4,)), layers.Dense(4, trainable=False))
    a, b = tf_keras.Input((4,)), tf_keras.Input((4,))
    return tf_keras.Model([a, b], [dense(a), chained(dense(b))])


def _convolutions() -> Iterator[Case]:
    shapes = {1: (9, 4), 2: (8, 9, 4), 3: (6, 7, 5, 4)}
    for rank, shape in shapes.items():
        for kind in ("Conv{}D", "Conv{}DTranspose"):
            name = kind.format(rank)
            make = getattr(layers, name)
            for options in (
                {}, {"padding": "same"}, {"strides": 2}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2},
                {"dilation_rate": 2, "padding": "same"}, {"use_bias": False}, {"activation": "hard_sigmoid"},
                {"activation": "relu"},
            ):  # fmt: skip
                text = " ".join(f"{key}={value}" for key, value in options.items())
                more = (
                    {"tolerance": 1e-5, "why": ROUNDED}
                    if rank == 3 and options.get("activation") == "hard_sigmoid"
                    else {}
                )
                yield _case(f"{name} {text}".strip(), lambda make=make, options=options: make(6, 3, **options), shape,
                            **more)  # fmt: skip
        name = f"Conv{rank}DTranspose"
        yield _case(f"{name} output_padding", lambda name=name: getattr(layers, name)(
            6, 3, strides=2, output_padding=1), shape)  # fmt: skip
        yield _case(f"{name} kernel 4", lambda name=name: getattr(layers, name)(
            6, 4, strides=2, padding="same"), shape)  # fmt: skip
        grouped = f"Conv{rank}D"
        yield _case(f"{grouped} groups", lambda grouped=grouped: getattr(layers, grouped)(6, 3, groups=2), shape)
    for options in ({}, {"use_bias": False}, {"groups": 2}, {"groups": 2, "use_bias": False}):
        for rank in (2, 3):
            text = " ".join(f"{key}={value}" for key, value in options.items())
            yield _case(f"Conv{rank}D channels_first {text}".strip(), lambda rank=rank, options=options: getattr(
                layers, f"Conv{rank}D")(6, 3, data_format="channels_first", **options), (4, *shapes[rank][:-1]))  # fmt: skip
    yield _case("Conv1D causal", lambda: layers.Conv1D(6, 3, padding="causal", dilation_rate=2), (9, 4))
    yield _case("Conv1D causal strides", lambda: layers.Conv1D(6, 3, padding="causal", strides=2), (9, 4))
    yield _case("Conv2D rectangular", lambda: layers.Conv2D(6, (3, 2), strides=(1, 2), padding="same"), (8, 9, 4))
    for name, shape in (("SeparableConv1D", (9, 4)), ("SeparableConv2D", (8, 9, 4))):
        for options in (
            {}, {"padding": "same"}, {"strides": 2}, {"depth_multiplier": 2}, {"dilation_rate": 2}, {"use_bias": False},
            {"activation": "hard_sigmoid"},
        ):  # fmt: skip
            text = " ".join(f"{key}={value}" for key, value in options.items())
            yield _case(f"{name} {text}".strip(), lambda name=name, options=options: getattr(layers, name)(
                6, 3, **options), shape)  # fmt: skip
    yield _case("SeparableConv1D causal", lambda: layers.SeparableConv1D(6, 3, padding="causal"), (9, 4))
    yield _case("SeparableConv1D causal dilated", lambda: layers.SeparableConv1D(
        6, 3, padding="causal", dilation_rate=2), (9, 4))  # fmt: skip
    for name, shape in (("DepthwiseConv1D", (9, 4)), ("DepthwiseConv2D", (8, 9, 4))):
        for options in (
            {}, {"padding": "same"}, {"strides": 2}, {"depth_multiplier": 2}, {"dilation_rate": 2},
            {"activation": "hard_sigmoid"},
        ):  # fmt: skip
            text = " ".join(f"{key}={value}" for key, value in options.items())
            yield _case(f"{name} {text}".strip(), lambda name=name, options=options: getattr(layers, name)(
                3, **options), shape)  # fmt: skip
    yield _case("LocallyConnected1D", lambda: layers.LocallyConnected1D(6, 3), (9, 4), refused="LocallyConnected1D")
    yield _case("LocallyConnected2D", lambda: layers.LocallyConnected2D(6, 3), (8, 9, 4), refused="LocallyConnected2D")
    for rank in (1, 2, 3):
        yield _case(f"ZeroPadding{rank}D", lambda rank=rank: getattr(layers, f"ZeroPadding{rank}D")(2), shapes[rank])
        yield _case(f"Cropping{rank}D", lambda rank=rank: getattr(layers, f"Cropping{rank}D")(1), shapes[rank])
        yield _case(f"UpSampling{rank}D", lambda rank=rank: getattr(layers, f"UpSampling{rank}D")(2), shapes[rank])
    yield _case("ZeroPadding2D uneven", lambda: layers.ZeroPadding2D(((1, 0), (2, 3))), shapes[2])
    yield _case("Cropping2D uneven", lambda: layers.Cropping2D(((1, 0), (2, 3))), shapes[2])
    for how in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area", "gaussian", "mitchellcubic"):
        refused = how if how in ("gaussian", "mitchellcubic") else ""
        yield _case(f"UpSampling2D {how}", lambda how=how: layers.UpSampling2D(2, interpolation=how), shapes[2],
                    refused=refused)  # fmt: skip


def _recurrent() -> Iterator[Case]:
    variants: tuple[dict[str, Any], ...] = (
        {}, {"return_sequences": True}, {"use_bias": False}, {"go_backwards": True}, {"return_state": True},
        {"activation": "relu"}, {"unroll": True}, {"dropout": 0.3, "recurrent_dropout": 0.2},
        {"return_sequences": True, "return_state": True, "go_backwards": True},
    )  # fmt: skip
    for name in ("LSTM", "GRU", "SimpleRNN"):
        for options in variants:
            text = " ".join(f"{key}={value}" for key, value in options.items())
            yield _case(f"{name} {text}".strip(), lambda name=name, options=options: getattr(layers, name)(
                4, **options), (5, 3))  # fmt: skip
        yield Case(f"{name} stateful", lambda name=name: chain(
            layers.InputLayer((5, 3), batch_size=2), getattr(layers, name)(4, stateful=True)))  # fmt: skip
        yield Case(f"{name} encoder and decoder", lambda name=name: _encoder_decoder(name))
        yield Case(f"{name} encoder and decoder, hard_sigmoid", lambda name=name: _encoder_decoder(
            name, **_hard(name)))  # fmt: skip
        yield Case(f"Bidirectional {name} encoder and decoder", lambda name=name: _encoder_decoder(name, is_both=True))
    yield _case("GRU reset_after=False", lambda: layers.GRU(4, reset_after=False), (5, 3))
    yield _case("LSTM unit_forget_bias=False", lambda: layers.LSTM(4, unit_forget_bias=False), (5, 3))
    yield _case("LSTM time_major", lambda: layers.LSTM(4, time_major=True), (5, 3), refused="time_major")
    for rank, shape in ((1, (4, 6, 2)), (2, (4, 6, 5, 2)), (3, (3, 5, 4, 4, 2))):
        for options in ({}, {"return_sequences": True, "padding": "same"}, {"recurrent_activation": "sigmoid"},
                        {"use_bias": False}, {"strides": 2}, {"go_backwards": True}):  # fmt: skip
            name = f"ConvLSTM{rank}D"
            text = " ".join(f"{key}={value}" for key, value in options.items())
            more = {} if "recurrent_activation" in options else {"tolerance": 1e-5, "why": ROUNDED}
            yield _case(f"{name} {text}".strip(), lambda name=name, options=options: getattr(layers, name)(
                3, 3, **options), shape, **more)  # fmt: skip
    for name in ("LSTM", "GRU", "SimpleRNN"):
        cell = getattr(layers, f"{name}Cell")
        yield _case(f"RNN {name}Cell", lambda cell=cell: layers.RNN(cell(4), return_sequences=True), (5, 3))
        yield _case(f"RNN two {name}Cells", lambda cell=cell: layers.RNN([cell(4), cell(3)]), (5, 3))
        yield _case(f"RNN three {name}Cells", lambda cell=cell: layers.RNN([cell(4), cell(4), cell(4)]), (5, 4))
    yield _case("RNN cells with and without bias", lambda: layers.RNN([
        layers.LSTMCell(4, use_bias=False), layers.LSTMCell(3)]), (5, 3))  # fmt: skip
    yield _case("RNN mixed cells", lambda: layers.RNN([
        layers.LSTMCell(4), layers.GRUCell(3), layers.SimpleRNNCell(5)]), (5, 3))  # fmt: skip


def _hard(name: str) -> dict[str, str]:
    return {"activation" if name == "SimpleRNN" else "recurrent_activation": "hard_sigmoid"}


def _encoder_decoder(name: str, is_both: bool = False, **options: Any) -> Any:
    make = getattr(layers, name)

    def layer(**more: Any) -> Any:
        made = make(4, **options, **more)
        return layers.Bidirectional(made) if is_both else made

    source, target = tf_keras.Input((5, 3)), tf_keras.Input((6, 2))
    _, *states = layer(return_state=True)(source)
    decoded = layer(return_sequences=True)(target, initial_state=states)
    return tf_keras.Model([source, target], layers.Dense(3)(decoded))


def _hard_sigmoid() -> Iterator[Case]:
    for name in ("LSTM", "GRU", "SimpleRNN"):
        options = _hard(name)
        yield _case(f"{name} hard_sigmoid", lambda name=name, options=options: getattr(layers, name)(
            4, **options), (5, 3))  # fmt: skip
        yield _case(f"{name} hard_sigmoid without bias", lambda name=name, options=options: getattr(layers, name)(
            4, use_bias=False, **options), (5, 3))  # fmt: skip
        yield _case(f"Bidirectional {name} hard_sigmoid", lambda name=name, options=options: layers.Bidirectional(
            getattr(layers, name)(4, **options)), (5, 3))  # fmt: skip
        yield Case(f"Bidirectional {name} hard_sigmoid forward", lambda name=name, options=options: one(
            layers.Bidirectional(getattr(layers, name)(4, **options), backward_layer=getattr(layers, name)(
                4, go_backwards=True)), (5, 3)))  # fmt: skip
        cell = getattr(layers, f"{name}Cell")
        yield _case(f"RNN {name}Cell hard_sigmoid", lambda cell=cell, options=options: layers.RNN(
            cell(4, **options)), (5, 3))  # fmt: skip
        yield _case(f"RNN two {name}Cells hard_sigmoid", lambda cell=cell, options=options: layers.RNN(
            [cell(4), cell(3, **options)]), (5, 3))  # fmt: skip
        yield _case(f"Bidirectional RNN {name}Cell hard_sigmoid", lambda cell=cell, options=options: layers.Bidirectional(
            layers.RNN(cell(4, **options))), (5, 3))  # fmt: skip
        yield Case(f"TimeDistributed {name} hard_sigmoid", lambda name=name, options=options: one(
            layers.TimeDistributed(getattr(layers, name)(4, **options)), (2, 5, 3)))  # fmt: skip
    for reset in (True, False):
        for options in (
            {"activation": "hard_sigmoid"},
            {"activation": "hard_sigmoid", "recurrent_activation": "hard_sigmoid"},
        ):
            yield _case(f"GRU reset_after={reset} {' '.join(options)} hard_sigmoid", lambda reset=reset, options=options:
                        layers.GRU(4, reset_after=reset, **options), (5, 3))  # fmt: skip
        yield _case(f"GRU reset_after={reset} hard_sigmoid", lambda reset=reset: layers.GRU(
            4, reset_after=reset, recurrent_activation="hard_sigmoid"), (5, 3))  # fmt: skip
    yield _case("LSTM activation hard_sigmoid", lambda: layers.LSTM(4, activation="hard_sigmoid"), (5, 3),
                refused="hard_sigmoid")  # fmt: skip
    yield _case("ConvLSTM2D activation hard_sigmoid", lambda: layers.ConvLSTM2D(3, 3, activation="hard_sigmoid"),
                (4, 6, 5, 2), refused="hard_sigmoid")  # fmt: skip
    yield _case("TimeDistributed Dense hard_sigmoid", lambda: layers.TimeDistributed(
        layers.Dense(4, activation="hard_sigmoid")), (5, 3))  # fmt: skip
    yield _case("TimeDistributed Activation hard_sigmoid", lambda: layers.TimeDistributed(
        layers.Activation("hard_sigmoid")), (5, 3))  # fmt: skip
    yield _case("Dense with Activation as activation", lambda: layers.Dense(
        4, activation=layers.Activation("hard_sigmoid")), (3,))  # fmt: skip
    yield Case("Activation shared, hard_sigmoid", _shared_activation)
    yield Case("Activation in a chain, hard_sigmoid", lambda: chain(
        layers.InputLayer((4,)), layers.Dense(3), layers.Activation("hard_sigmoid"), layers.Dense(2)))  # fmt: skip
    yield Case("Activation first, hard_sigmoid", lambda: chain(
        layers.Activation("hard_sigmoid", input_shape=(4,)), layers.Dense(2)))  # fmt: skip
    yield Case("Activation in a nested model, hard_sigmoid", lambda: chain(
        layers.InputLayer((4,)), chain(layers.Dense(3, input_shape=(4,)), layers.Activation("hard_sigmoid")),
        layers.Dense(2)))  # fmt: skip
    yield Case("LSTM in a nested model, hard_sigmoid", lambda: chain(
        layers.InputLayer((5, 4)), chain(
            layers.LSTM(3, input_shape=(5, 4), recurrent_activation="hard_sigmoid"), layers.Dense(3)),
        layers.Dense(2)))  # fmt: skip
    yield Case("LSTM shared, hard_sigmoid", _shared_lstm)
    yield Case("TimeDistributed model with Dense hard_sigmoid", lambda: one(layers.TimeDistributed(
        chain(layers.Dense(3, activation="hard_sigmoid", input_shape=(4,)), layers.Dense(2))), (5, 4)))  # fmt: skip
    yield Case("TimeDistributed model with Activation hard_sigmoid", lambda: one(layers.TimeDistributed(
        chain(layers.Dense(3, input_shape=(4,)), layers.Activation("hard_sigmoid"))), (5, 4)),
        refused="hard_sigmoid")  # fmt: skip


def _shared_activation() -> Any:
    act, a, b = layers.Activation("hard_sigmoid"), tf_keras.Input((4,)), tf_keras.Input((4,))
    return tf_keras.Model([a, b], [act(a), layers.Dense(2)(act(layers.Dense(3)(b)))])


def _shared_lstm() -> Any:
    lstm, a, b = layers.LSTM(3, recurrent_activation="hard_sigmoid"), tf_keras.Input((5, 4)), tf_keras.Input((6, 4))
    return tf_keras.Model([a, b], layers.Concatenate()([lstm(a), lstm(b)]))


def _normalizations() -> Iterator[Case]:
    for options in ({}, {"center": False}, {"scale": False}, {"epsilon": 0.1}, {"axis": 1}, {"momentum": 0.5}):
        text = " ".join(f"{key}={value}" for key, value in options.items())
        yield _case(f"BatchNormalization {text}".strip(), lambda options=options: layers.BatchNormalization(
            **options), (5, 4))  # fmt: skip
        if "momentum" not in options:
            yield _case(f"LayerNormalization {text}".strip(), lambda options=options: layers.LayerNormalization(
                **options), (5, 4))  # fmt: skip
    yield _case(
        "BatchNormalization renorm", lambda: tf_keras.layers.BatchNormalization(renorm=True), (5, 4), refused=""
    )
    yield _case("BatchNormalization synchronized", lambda: layers.BatchNormalization(synchronized=True), (5, 4))
    yield _case("LayerNormalization axes", lambda: layers.LayerNormalization(axis=(1, 2)), (5, 4))
    yield _case("LayerNormalization axes exchanged", lambda: layers.LayerNormalization(axis=(2, 1)), (5, 4))
    yield Case(
        "LayerNormalization large mean",
        lambda: one(layers.LayerNormalization(), (5, 4)),
        kinds={"*": "large"},
        tolerance=1e-4,
        why="inputs of mean 1000 and deviation 1; Keras 3 sums their squares, and rounds more",
    )
    yield _case("GroupNormalization", lambda: layers.GroupNormalization(2), (5, 6, 4))
    yield _case("GroupNormalization epsilon", lambda: layers.GroupNormalization(4, epsilon=0.1, scale=False), (5, 4))
    yield _case("Normalization", lambda: layers.Normalization(mean=[1.0, 2, 3], variance=[1.0, 2, 3]), (3,))
    yield Case("SpectralNormalization", lambda: one(layers.SpectralNormalization(layers.Dense(4)), (3,)))


def _pooling() -> Iterator[Case]:
    for rank, shape in {1: (9, 4), 2: (8, 9, 4), 3: (6, 7, 5, 4)}.items():
        for kind in ("Max", "Average"):
            for options in (
                {},
                {"padding": "same"},
                {"pool_size": 3, "strides": 2},
                {"pool_size": 3, "strides": 1, "padding": "same"},
            ):
                text = " ".join(f"{key}={value}" for key, value in options.items())
                name = f"{kind}Pooling{rank}D"
                yield _case(f"{name} {text}".strip(), lambda name=name, options=options: getattr(layers, name)(
                    **options), shape)  # fmt: skip
            for options in ({}, {"keepdims": True}):
                name = f"Global{kind}Pooling{rank}D"
                text = " ".join(options)
                yield _case(f"{name} {text}".strip(), lambda name=name, options=options: getattr(layers, name)(
                    **options), shape)  # fmt: skip


def _reshaping() -> Iterator[Case]:
    yield _case("Flatten", lambda: layers.Flatten(), (3, 4, 2))
    yield _case("Flatten channels_first", lambda: layers.Flatten(data_format="channels_first"), (3, 4, 2))
    yield _case("Reshape", lambda: layers.Reshape((4, -1)), (3, 4, 2))
    yield _case("Permute", lambda: layers.Permute((3, 1, 2)), (3, 4, 2))
    yield _case("RepeatVector", lambda: layers.RepeatVector(3), (4,))
    yield _case("GlobalMaxPooling2D channels_first", lambda: layers.GlobalMaxPooling2D("channels_first"), (3, 4, 2))
    yield _case("ZeroPadding2D channels_first", lambda: layers.ZeroPadding2D(1, "channels_first"), (3, 4, 2))
    yield _case("UpSampling2D channels_first", lambda: layers.UpSampling2D(2, "channels_first"), (3, 4, 2))
    yield _case("Cropping2D channels_first", lambda: layers.Cropping2D(1, "channels_first"), (2, 5, 4))


def _merging() -> Iterator[Case]:
    for name in ("Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"):
        yield _case(name, lambda name=name: getattr(layers, name)(), (3, 4), (3, 4), (3, 4))
        if name != "Concatenate":
            yield _case(f"{name} broadcast", lambda name=name: getattr(layers, name)(), (3, 4), (1, 4))
    yield _case("Subtract", lambda: layers.Subtract(), (3, 4), (3, 4))
    yield _case("Concatenate axis=1", lambda: layers.Concatenate(1), (3, 4), (2, 4))
    for options in ({"axes": 1}, {"axes": 1, "normalize": True}, {"axes": (1, 2)}, {"axes": -1}):
        text = " ".join(f"{key}={value}" for key, value in options.items())
        shapes = ((3, 4), (5, 3)) if options["axes"] == (1, 2) else ((3, 4), (3, 4))
        yield _case(f"Dot {text}", lambda options=options: layers.Dot(**options), *shapes)
    yield _case("Dot vectors", lambda: layers.Dot(1, normalize=True), (4,), (4,))


def _image() -> Iterator[Case]:
    yield _case("Rescaling", lambda: layers.Rescaling(1 / 255, 0.5), (4, 5, 3))
    yield _case("Rescaling of uint8", lambda: layers.Rescaling(1 / 255), (4, 5, 3), dtype="uint8")
    yield _case("CenterCrop", lambda: layers.CenterCrop(3, 3), (6, 7, 3))
    yield _case("CenterCrop larger", lambda: layers.CenterCrop(8, 8), (6, 7, 3))
    for how in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area", "gaussian", "mitchellcubic"):
        refused = how if how in ("gaussian", "mitchellcubic") else ""
        yield _case(f"Resizing {how}", lambda how=how: layers.Resizing(5, 9, how), (6, 7, 3), refused=refused)
    yield _case("Resizing crop", lambda: layers.Resizing(5, 9, crop_to_aspect_ratio=True), (6, 7, 3))
    yield _case("Resizing of uint8", lambda: layers.Resizing(5, 9), (6, 7, 3), dtype="uint8")
    yield _case("Resizing nearest of uint8", lambda: layers.Resizing(5, 9, "nearest"), (6, 7, 3), dtype="uint8")
    for name, argument in (("RandomFlip", "horizontal"), ("RandomRotation", 0.2), ("RandomZoom", 0.2), ("RandomContrast", 0.2),
                           ("RandomBrightness", 0.2)):  # fmt: skip
        yield _case(name, lambda name=name, argument=argument: getattr(layers, name)(argument), (6, 7, 3))
    for name, arguments in (("RandomFlip", ["horizontal"]), ("RandomRotation", [0.2]), ("RandomContrast", [0.2]),
                            ("RandomBrightness", [0.2]), ("CenterCrop", [3, 3]),
                            ("ZeroPadding2D", [1]), ("UpSampling2D", [2]), ("MaxPooling2D", [2]), ("Flatten", [])):  # fmt: skip
        yield _case(f"{name} of uint8", lambda name=name, arguments=arguments: getattr(layers, name)(*arguments),
                    (6, 7, 3), dtype="uint8")  # fmt: skip
    yield _case("RandomTranslation", lambda: layers.RandomTranslation(0.2, 0.2), (6, 7, 3))
    yield _case("RandomCrop", lambda: layers.RandomCrop(4, 4), (6, 7, 3), refused="RandomCrop")
    yield _case("CategoryEncoding", lambda: layers.CategoryEncoding(9, "multi_hot"), (4,), dtype="int32")
    yield _case("Discretization", lambda: layers.Discretization([-1.0, 0.0, 1.0]), (4,))
    yield _case("Hashing", lambda: layers.Hashing(5), (4,), dtype="int32")
    yield _case("IntegerLookup", lambda: layers.IntegerLookup(vocabulary=[3, 5, 7]), (4,), dtype="int64")


def _attention() -> Iterator[Case]:
    for options in ({}, {"use_scale": True}, {"score_mode": "concat"}):
        text = " ".join(f"{key}={value}" for key, value in options.items())
        yield _case(f"Attention {text}".strip(), lambda options=options: layers.Attention(**options), (3, 4), (5, 4))
        yield _case(f"Attention {text} of three".strip(), lambda options=options: layers.Attention(
            **options), (3, 4), (5, 6), (5, 4))  # fmt: skip
    yield Case("Attention causal", _causal_attention)
    yield _case("AdditiveAttention", lambda: layers.AdditiveAttention(), (3, 4), (5, 4))
    yield _case("AdditiveAttention without scale", lambda: layers.AdditiveAttention(use_scale=False), (3, 4), (5, 4))
    for options in ({}, {"value_dim": 3}, {"use_bias": False}, {"output_shape": 7}):
        text = " ".join(f"{key}={value}" for key, value in options.items())
        yield Case(f"MultiHeadAttention {text}".strip(), lambda options=options: _multi_head(**options))
    yield Case("MultiHeadAttention causal", lambda: _multi_head(call={"use_causal_mask": True}))
    yield Case("MultiHeadAttention of itself", _self_attention)
    yield Case("MultiHeadAttention with a mask", _masked_attention)


def _causal_attention() -> Any:
    q, v = tf_keras.Input((5, 4)), tf_keras.Input((5, 4))
    return tf_keras.Model([q, v], layers.Attention()([q, v], use_causal_mask=True))


def _multi_head(call: Mapping[str, Any] | None = None, **options: Any) -> Any:
    q, v = tf_keras.Input((5, 4)), tf_keras.Input((5, 6))
    return tf_keras.Model([q, v], layers.MultiHeadAttention(2, 3, **options)(q, v, **(call or {})))


def _self_attention() -> Any:
    x = tf_keras.Input((5, 4))
    return tf_keras.Model(x, layers.MultiHeadAttention(2, 3)(x, x, x))


def _masked_attention() -> Any:
    x, mask = tf_keras.Input((5, 4)), tf_keras.Input((5, 5), name="mask", dtype="bool")
    return tf_keras.Model([x, mask], layers.MultiHeadAttention(2, 3)(x, x, attention_mask=mask))


def _activations() -> Iterator[Case]:
    yield _case("ReLU", lambda: layers.ReLU(2.0, 0.1, 0.3), (3, 4))
    yield _case("LeakyReLU", lambda: layers.LeakyReLU(0.2), (3, 4))
    yield _case("PReLU", lambda: layers.PReLU(), (3, 4))
    yield _case("PReLU shared", lambda: layers.PReLU(shared_axes=[1]), (3, 4))
    yield _case("ELU", lambda: layers.ELU(0.7), (3, 4))
    yield _case("ThresholdedReLU", lambda: layers.ThresholdedReLU(0.4), (3, 4))
    yield _case("Softmax", lambda: layers.Softmax(), (3, 4))
    yield _case("Softmax axis=1", lambda: layers.Softmax(1), (3, 4))


def _wrappers() -> Iterator[Case]:
    for mode in ("concat", "sum", "mul", "ave", None):
        yield _case(f"Bidirectional {mode}", lambda mode=mode: layers.Bidirectional(
            layers.LSTM(4, return_sequences=True), merge_mode=mode), (5, 3))  # fmt: skip
    yield _case("Bidirectional states", lambda: layers.Bidirectional(layers.GRU(4, return_state=True)), (5, 3))
    yield _case("Bidirectional with two layers", lambda: layers.Bidirectional(
        layers.LSTM(4), backward_layer=layers.GRU(4, go_backwards=True)), (5, 3))  # fmt: skip
    for forward, backward in ((True, False), (False, True)):
        yield _case(f"Bidirectional bias {forward} and {backward}", lambda forward=forward, backward=backward:
                    layers.Bidirectional(layers.LSTM(4, use_bias=forward), backward_layer=layers.LSTM(
                        4, use_bias=backward, go_backwards=True)), (5, 3))  # fmt: skip
    yield _case("Bidirectional RNN", lambda: layers.Bidirectional(layers.RNN(layers.LSTMCell(4))), (5, 3))
    yield _case("Bidirectional RNN of two cells", lambda: layers.Bidirectional(layers.RNN(
        [layers.LSTMCell(4), layers.LSTMCell(3)])), (5, 3))  # fmt: skip
    yield _case("TimeDistributed Dense", lambda: layers.TimeDistributed(layers.Dense(4)), (5, 3))
    yield _case("TimeDistributed Conv2D", lambda: layers.TimeDistributed(layers.Conv2D(4, 3)), (3, 6, 7, 2))
    yield _case("TimeDistributed LSTM", lambda: layers.TimeDistributed(layers.LSTM(4)), (2, 5, 3))
    yield _case(
        "TimeDistributed twice", lambda: layers.TimeDistributed(layers.TimeDistributed(layers.Dense(4))), (2, 5, 3)
    )
    yield _case("TimeDistributed Flatten", lambda: layers.TimeDistributed(layers.Flatten()), (3, 4, 2))
    yield _case(
        "TimeDistributed BatchNormalization", lambda: layers.TimeDistributed(layers.BatchNormalization()), (5, 3)
    )
    yield Case("TimeDistributed model", lambda: one(layers.TimeDistributed(
        chain(layers.Dense(3, input_shape=(4,)), layers.Dense(2))), (5, 4)))  # fmt: skip
    yield Case("TimeDistributed functional model", lambda: one(layers.TimeDistributed(
        one(layers.Dense(3), (4,))), (5, 4)))  # fmt: skip


READERS: Mapping[str, Callable[[Any], Any]] = {
    "LSTM": lambda x: layers.LSTM(3)(x),
    "GRU": lambda x: layers.GRU(3, return_sequences=True)(x),
    "SimpleRNN": lambda x: layers.SimpleRNN(3)(x),
    "Bidirectional": lambda x: layers.Bidirectional(layers.LSTM(3))(x),
    "pooling": lambda x: layers.GlobalAveragePooling1D()(x),
    "Attention": lambda x: layers.Attention()([x, x]),
    "AdditiveAttention": lambda x: layers.AdditiveAttention()([x, x]),
    "MultiHeadAttention": lambda x: layers.MultiHeadAttention(2, 3)(x, x),
}
"""Layers that look at the mask of what they get."""


def _tokens(width: int = 4) -> tuple[Any, Any]:
    ids = tf_keras.Input((6,), dtype="int32", name="tokens")
    return ids, layers.Embedding(9, width, mask_zero=True)(ids)


def _positions(x: Any) -> Any:
    """The usual position embedding: no mask of its own."""
    places = tf_keras.Input((6,), dtype="int32", name="places")
    return places, layers.Embedding(9, x.shape[-1])(places)


def _merge_one(merge: str, reader: str) -> Any:
    ids, x = _tokens()
    places, y = _positions(x)
    return tf_keras.Model([ids, places], READERS[reader](getattr(layers, merge)()([x, y])))


def _merge_two(merge: str, reader: str) -> Any:
    ids, x = _tokens()
    more = tf_keras.Input((6,), dtype="int32", name="more")
    y = layers.Embedding(9, 4, mask_zero=True)(more)
    return tf_keras.Model([ids, more], READERS[reader](getattr(layers, merge)()([x, y])))


def _through(*between: Any, reader: str = "LSTM") -> Any:
    ids, x = _tokens()
    for layer in between:
        x = layer(x)
    return tf_keras.Model(ids, READERS[reader](x))


def _masks() -> Iterator[Case]:
    tokens = {"tokens": "tokens", "more": "tokens"}
    for reader in READERS:
        yield Case(f"{reader} masked by an Embedding", lambda reader=reader: _through(reader=reader), kinds=tokens)
        yield Case(f"{reader} masked by Masking", lambda reader=reader: _by_masking(reader), kinds={"*": "mask"})
        for merge in ("Add", "Multiply", "Concatenate"):
            yield Case(f"{merge} of one masked, into {reader}", lambda merge=merge, reader=reader: _merge_one(
                merge, reader), kinds=tokens)  # fmt: skip
            yield Case(f"{merge} of two masked, into {reader}", lambda merge=merge, reader=reader: _merge_two(
                merge, reader), kinds=tokens)  # fmt: skip
    for merge in ("Subtract", "Average", "Maximum", "Minimum"):
        yield Case(f"{merge} of one masked, into LSTM", lambda merge=merge: _merge_one(merge, "LSTM"), kinds=tokens)
        yield Case(f"{merge} of two masked, into LSTM", lambda merge=merge: _merge_two(merge, "LSTM"), kinds=tokens)
    yield Case("Multiply of masked, alone", lambda: _merge_end("Multiply"), kinds=tokens)
    yield Case("Maximum of masked, alone", lambda: _merge_end("Maximum"), kinds=tokens)
    yield Case("Minimum of masked, alone", lambda: _merge_end("Minimum"), kinds=tokens)
    yield Case("Average of masked, alone", lambda: _merge_end("Average"), kinds=tokens)
    for name, make in (
        ("Rescaling", lambda: layers.Rescaling(2.0)), ("Identity", lambda: layers.Identity()),
        ("Dropout", lambda: layers.Dropout(0.3)),
        ("Dense", lambda: layers.Dense(4)), ("Activation", lambda: layers.Activation("tanh")),
        ("BatchNormalization", lambda: layers.BatchNormalization()), ("LayerNormalization", lambda: layers.LayerNormalization()),
        ("Conv1D", lambda: layers.Conv1D(4, 3, padding="same")), ("SpatialDropout1D", lambda: layers.SpatialDropout1D(0.3)),
        ("Permute", lambda: layers.Permute((1, 2))), ("Reshape", lambda: layers.Reshape((6, 4))),
        ("LSTM", lambda: layers.LSTM(4, return_sequences=True)), ("GRU", lambda: layers.GRU(4, return_sequences=True)),
        ("Bidirectional", lambda: layers.Bidirectional(layers.LSTM(4, return_sequences=True))),
        ("TimeDistributed", lambda: layers.TimeDistributed(layers.Dense(4))), ("PReLU", lambda: layers.PReLU()),
        ("LeakyReLU", lambda: layers.LeakyReLU()), ("ReLU", lambda: layers.ReLU()), ("ELU", lambda: layers.ELU()),
        ("GaussianNoise", lambda: layers.GaussianNoise(0.1)),
        ("GaussianDropout", lambda: layers.GaussianDropout(0.1)), ("AlphaDropout", lambda: layers.AlphaDropout(0.1)),
        ("EinsumDense", lambda: layers.EinsumDense("abc,cd->abd", (None, 4))),
        ("UnitNormalization", lambda: layers.UnitNormalization()),
        ("ActivityRegularization", lambda: layers.ActivityRegularization(0.1)),
        ("MaxPooling1D", lambda: layers.MaxPooling1D(1)), ("ZeroPadding1D", lambda: layers.ZeroPadding1D(1)),
        ("Cropping1D", lambda: layers.Cropping1D(1)), ("UpSampling1D", lambda: layers.UpSampling1D(2)),
        ("Masking", lambda: layers.Masking(0.0)), ("Normalization", lambda: layers.Normalization(mean=0.0, variance=1.0)),
        ("SeparableConv1D", lambda: layers.SeparableConv1D(4, 3, padding="same")),
        ("nested Sequential", lambda: chain(layers.Dense(4, input_shape=(6, 4)), layers.Dense(4))),
        ("nested model", lambda: one(layers.Dense(4), (6, 4))),
        ("RNN", lambda: layers.RNN(layers.LSTMCell(4), return_sequences=True)),
        ("Activation hard_sigmoid", lambda: layers.Activation("hard_sigmoid")),
        ("ThresholdedReLU", lambda: layers.ThresholdedReLU(0.1)),
    ):  # fmt: skip
        yield Case(f"{name} between mask and LSTM", lambda make=make: _through(make()), kinds=tokens)
    yield Case("Flatten of masked", lambda: chain(layers.Embedding(9, 4, mask_zero=True, input_length=6), layers.Flatten(),
                                                  layers.Dense(3)), kinds={"*": "tokens"})  # fmt: skip
    yield Case("Masking of a merge", lambda: _masking_after_merge(), kinds={"*": "mask"})
    yield Case("MultiHeadAttention transformer block", _transformer, kinds=tokens)
    yield Case("TimeDistributed masked Embedding and LSTM", _hierarchical, kinds={"*": "tokens"})
    yield Case("Embedding and LSTM in a nested model", _nested_masked, kinds={"*": "tokens"})
    yield Case("Embedding in a nested model, LSTM outside", _nested_mask_outside, kinds={"*": "tokens"})
    yield Case("LSTM in a nested model, Embedding outside", _nested_reader, kinds=tokens)
    yield Case(
        "merge in a nested model, Embeddings outside",
        _nested_merge,
        kinds=tokens,
        refused="cannot be computed from the inputs of its model",
    )
    yield Case("LSTM encoder and decoder, masked", _masked_encoder_decoder, kinds={"*": "tokens"})
    yield Case("Embedding shared, merged", _shared_embedding, kinds={"*": "tokens"})


def _by_masking(reader: str) -> Any:
    x = tf_keras.Input((6, 4))
    return tf_keras.Model(x, READERS[reader](layers.Masking(0.0)(x)))


def _merge_end(merge: str) -> Any:
    ids, x = _tokens()
    more = tf_keras.Input((6,), dtype="int32", name="more")
    return tf_keras.Model([ids, more], getattr(layers, merge)()([x, layers.Embedding(9, 4, mask_zero=True)(more)]))


def _masking_after_merge() -> Any:
    a, b = tf_keras.Input((6, 4)), tf_keras.Input((6, 4))
    return tf_keras.Model([a, b], layers.LSTM(3)(layers.Masking(0.0)(layers.Add()([a, b]))))


def _transformer() -> Any:
    ids, x = _tokens()
    places, y = _positions(x)
    x = layers.Add()([x, y])
    attended = layers.MultiHeadAttention(2, 3)(x, x)
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dropout(0.1)(attended)]))
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(4)(layers.Dense(8, activation="relu")(x))]))
    return tf_keras.Model([ids, places], layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))


def _hierarchical() -> Any:
    ids = tf_keras.Input((3, 6), dtype="int32")
    x = layers.TimeDistributed(layers.Embedding(9, 4, mask_zero=True))(ids)
    return tf_keras.Model(ids, layers.TimeDistributed(layers.LSTM(3))(x))


def _nested_masked() -> Any:
    ids = tf_keras.Input((6,), dtype="int32")
    inner = chain(layers.Embedding(9, 4, mask_zero=True, input_length=6), layers.LSTM(3))
    return tf_keras.Model(ids, layers.Dense(2)(inner(ids)))


def _nested_mask_outside() -> Any:
    ids = tf_keras.Input((6,), dtype="int32")
    inner = chain(layers.Embedding(9, 4, mask_zero=True, input_length=6), layers.Dense(4))
    return tf_keras.Model(ids, layers.LSTM(3)(inner(ids)))


def _nested_reader() -> Any:
    ids, x = _tokens()
    return tf_keras.Model(ids, one(layers.LSTM(3), (6, 4))(x))


def _nested_merge() -> Any:
    ids, x = _tokens()
    more = tf_keras.Input((6,), dtype="int32", name="more")
    a, b = tf_keras.Input((6, 4)), tf_keras.Input((6, 4))
    inner = tf_keras.Model([a, b], layers.LSTM(3)(layers.Add()([a, b])))
    return tf_keras.Model([ids, more], inner([x, layers.Embedding(9, 4, mask_zero=True)(more)]))


def _masked_encoder_decoder() -> Any:
    source, target = tf_keras.Input((6,), dtype="int32"), tf_keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(source)
    _, *states = layers.LSTM(4, return_state=True)(x)
    y = layers.LSTM(4, return_sequences=True)(layers.Embedding(9, 4, mask_zero=True)(target), initial_state=states)
    return tf_keras.Model([source, target], layers.Dense(3)(y))


def _shared_embedding() -> Any:
    a, b = tf_keras.Input((6,), dtype="int32"), tf_keras.Input((6,), dtype="int32")
    embedding = layers.Embedding(9, 4, mask_zero=True)
    return tf_keras.Model([a, b], layers.LSTM(3)(layers.Concatenate()([embedding(a), embedding(b)])))


def _models() -> Iterator[Case]:
    yield Case("Sequential", lambda: chain(layers.Dense(3, input_shape=(4,)), layers.Dense(2)))
    yield Case("Functional with several outputs", _several)
    yield Case("Functional nested twice", lambda: one(one(one(layers.Dense(3), (4,)), (4,)), (4,)))
    yield Case("Functional nested and shared", _shared_model)
    yield Case("Functional with exchanged names", _exchanged)


def _several() -> Any:
    a, b = tf_keras.Input((4,)), tf_keras.Input((3,))
    x = layers.Concatenate()([layers.Dense(4)(a), b])
    return tf_keras.Model([a, b], [layers.Dense(2)(x), layers.Dense(3)(x)])


def _shared_model() -> Any:
    inner = chain(layers.Dense(4, input_shape=(4,)), layers.BatchNormalization())
    a, b = tf_keras.Input((4,)), tf_keras.Input((4,))
    return tf_keras.Model([a, b], layers.Add()([inner(a), inner(b)]))


def _exchanged() -> Any:
    first, second = layers.Dense(4, name="first"), layers.Dense(4, name="second")
    inner = chain(layers.InputLayer((4,)), first, second)
    model = one(inner, (4,))
    first._name, second._name = "second", "first"
    return model
