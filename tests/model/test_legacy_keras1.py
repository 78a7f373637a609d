"""Files of Keras 1 beside what their layers compute, written down with Keras 3, TensorFlow's own operations or NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgery.errors import ModelUnsupported
from surgery.model.archive import read_model
from tests.model.test_legacy import converted, layer, numbers, old_file, sequential, values_of

REGULARIZER = {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.01}


def predicted(model: Any, inputs: Any) -> Any:
    return np.asarray(model.predict(inputs, verbose=0))


def chain(layers: list[Any], weights: list[Any]) -> Any:
    """The same in Keras 3, channels last."""
    import keras

    model = keras.Sequential(layers)
    model.set_weights(weights)
    return model


def graph(name: str, layers: list[dict[str, Any]], start: str, end: str) -> dict[str, Any]:
    config = {"name": name, "layers": layers, "input_layers": [[start, 0, 0]], "output_layers": [[end, 0, 0]]}
    return {"class_name": "Model", "config": config}


def node(entry: dict[str, Any], *sources: str, at: int = 0) -> dict[str, Any]:
    name = entry.get("name") or entry["config"]["name"]
    return {**entry, "name": name, "inbound_nodes": [[[source, at, 0] for source in sources]] if sources else []}


@pytest.mark.keras
def test_a_network_in_theanos_order_of_axes(tmp_path: Path) -> None:
    """As VGG16 was: padding, convolutions, pooling, upsampling; Flatten puts the channels first."""
    from keras import layers

    said: dict[str, Any] = {"dim_ordering": "th", "border_mode": "valid"}
    model = sequential(
        layer("ZeroPadding2D", "pad", padding=[1, 1], batch_input_shape=[None, 3, 8, 10]),
        layer(
            "Convolution2D", "c", nb_filter=4, nb_row=3, nb_col=3, activation="relu", W_regularizer=REGULARIZER, **said
        ),
        layer("UpSampling2D", "up", size=[2, 2]),
        layer("Cropping2D", "crop", cropping=[[1, 0], [2, 1]]),
        layer("MaxPooling2D", "pool", pool_size=[2, 2], strides=[2, 2], **said),
        layer("Flatten", "f"),
        layer("Dense", "d", output_dim=2),
    )
    kernel, last = numbers(4, 3, 3, 3), numbers(4 * 7 * 8, 2)
    weights = {"c": [kernel, numbers(4)], "d": [last, numbers(2)]}
    path = old_file(tmp_path / "m.h5", model, weights, backend="")
    assert any("Theano turned kernels around" in note for note in read_model(path).notes)
    same = chain(
        [
            layers.Input((8, 10, 3)),
            layers.ZeroPadding2D(1),
            layers.Conv2D(4, 3, activation="relu"),
            layers.UpSampling2D(2),
            layers.Cropping2D(((1, 0), (2, 1))),
            layers.MaxPooling2D(2),
            layers.Permute((3, 1, 2)),
            layers.Flatten(),
            layers.Dense(2),
        ],
        [kernel.transpose(2, 3, 1, 0), numbers(4), last, numbers(2)],
    )
    images = numbers(2, 3, 8, 10, seed=5)
    ours = predicted(converted(path, tmp_path / "m.keras"), images)
    np.testing.assert_allclose(ours, predicted(same, images.transpose(0, 2, 3, 1)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("others", [(), ("th", "tf")])
def test_an_order_that_nothing_tells_is_refused(others: tuple[str, ...], tmp_path: Path) -> None:
    pools = [layer("MaxPooling2D", f"p{n}", dim_ordering=order, pool_size=[2, 2]) for n, order in enumerate(others)]
    model = sequential(layer("UpSampling2D", "up", size=[2, 2], batch_input_shape=[None, 8, 8, 8]), *pools)
    with pytest.raises(ModelUnsupported, match="the order of axes of 'up'"):
        read_model(old_file(tmp_path / "m.h5", model, {}))


@pytest.mark.keras
@pytest.mark.parametrize(
    ("padding", "now"),
    [
        ([2, 1], ((2, 2), (1, 1))),
        ([1, 2, 3, 4], ((1, 2), (3, 4))),
        ({"top_pad": 1, "left_pad": 2}, ((1, 0), (2, 0))),
        ({"bottom_pad": 3, "right_pad": 1}, ((0, 3), (0, 1))),
    ],
)
@pytest.mark.parametrize("order", ["tf", "th"])
def test_padding_however_it_was_said(padding: Any, now: Any, order: str, tmp_path: Path) -> None:
    shape = (4, 5, 2) if order == "tf" else (2, 4, 5)
    pool = layer("MaxPooling2D", "p", pool_size=[1, 1], dim_ordering=order)
    model = sequential(layer("ZeroPadding2D", "pad", padding=padding, batch_input_shape=[None, *shape]), pool)
    images = numbers(2, *shape)
    ours = predicted(converted(old_file(tmp_path / "m.h5", model, {}), tmp_path / "m.keras"), images)
    sides = [(0, 0), *now, (0, 0)] if order == "tf" else [(0, 0), (0, 0), *now]
    np.testing.assert_array_equal(ours, np.pad(images, sides))


def test_padding_of_a_sequence(tmp_path: Path) -> None:
    model = sequential(layer("ZeroPadding1D", "p", padding={"left_pad": 2}, batch_input_shape=[None, 4, 3]))
    assert read_model(old_file(tmp_path / "m.h5", model, {}))["p"].config["padding"] == [2, 0]


@pytest.mark.keras
@pytest.mark.parametrize("kind", ["SeparableConvolution2D", "ConvLSTM2D"])
def test_kernels_with_their_filters_first(kind: str, tmp_path: Path) -> None:
    from keras import layers

    said = {"nb_filter": 3, "nb_row": 2, "nb_col": 3, "border_mode": "valid", "dim_ordering": "th"}
    if kind == "ConvLSTM2D":
        said |= {"inner_activation": "sigmoid", "return_sequences": False}
        shapes = [(3, 2, 2, 3), (3, 3, 2, 3), (3,)] * 4
        inputs = (4, 2, 6, 7)
    else:
        said |= {"depth_multiplier": 2}
        shapes = [(2, 2, 2, 3), (3, 4, 1, 1), (3,)]
        inputs = (2, 6, 7)
    old = [numbers(*shape, seed=n) / 3 for n, shape in enumerate(shapes)]
    model = sequential(layer(kind, "c", batch_input_shape=[None, *inputs], **said))
    turned = [array.transpose(2, 3, 1, 0) if array.ndim == 4 else array for array in old]
    if kind == "ConvLSTM2D":
        new = [np.concatenate([turned[gate * 3 + part] for gate in (0, 2, 1, 3)], axis=-1) for part in range(3)]
        same = chain([layers.Input((4, 6, 7, 2)), layers.ConvLSTM2D(3, (2, 3))], new)
        order, back = (0, 1, 3, 4, 2), (0, 3, 1, 2)
    else:
        same = chain([layers.Input((6, 7, 2)), layers.SeparableConv2D(3, (2, 3), depth_multiplier=2)], turned)
        order, back = (0, 2, 3, 1), (0, 3, 1, 2)
    images = numbers(2, *inputs, seed=7)
    ours = predicted(converted(old_file(tmp_path / "m.h5", model, {"c": old}), tmp_path / "m.keras"), images)
    np.testing.assert_allclose(ours, predicted(same, images.transpose(order)).transpose(back), rtol=1e-5, atol=1e-5)


@pytest.mark.keras
@pytest.mark.parametrize(
    ("mode", "kernel", "size"),
    [
        ("valid", 3, (9, 11)),
        ("valid", 3, (10, 12)),
        ("valid", 2, (8, 10)),
        ("same", 3, (7, 9)),
        ("same", 3, (8, 10)),
        ("same", 2, (8, 10)),
    ],
)
def test_the_output_shape_of_a_deconvolution(mode: str, kernel: int, size: tuple[int, int], tmp_path: Path) -> None:
    import tensorflow as tf

    said = {"nb_filter": 3, "nb_row": kernel, "nb_col": kernel, "subsample": [2, 2], "dim_ordering": "tf"}
    shape = [None, *size, 3]
    model = sequential(
        layer("Deconvolution2D", "d", output_shape=shape, border_mode=mode, batch_input_shape=[None, 4, 5, 2], **said)
    )
    weight, images = numbers(kernel, kernel, 2, 3), numbers(2, 4, 5, 2, seed=3)
    path = old_file(tmp_path / "m.h5", model, {"d": [weight, numbers(3)]})
    turned = weight.transpose(0, 1, 3, 2)  # as Keras 1 gave it to TensorFlow
    wanted = tf.nn.conv2d_transpose(images, turned, (2, *size, 3), 2, mode.upper()) + numbers(3)
    ours = predicted(converted(path, tmp_path / "m.keras"), images)
    np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-5)


def test_an_output_shape_that_keras_3_cannot_make_is_refused(tmp_path: Path) -> None:
    said = {"nb_filter": 3, "nb_row": 2, "nb_col": 2, "subsample": [2, 2], "dim_ordering": "tf", "border_mode": "same"}
    model = sequential(
        layer("Deconvolution2D", "d", output_shape=[None, 7, 10, 3], batch_input_shape=[None, 4, 5, 2], **said)
    )
    with pytest.raises(ModelUnsupported, match=r"output_shape \[None, 7, 10, 3\] of 'd'"):
        read_model(old_file(tmp_path / "m.h5", model, {"d": [numbers(2, 2, 2, 3), numbers(3)]}))


@pytest.mark.keras
@pytest.mark.parametrize("alpha", [(1, 1, 3), (4, 5, 3), (1, 5, 1)])
def test_the_axes_that_a_prelu_shares(alpha: tuple[int, ...], tmp_path: Path) -> None:
    model = sequential(layer("PReLU", "p", init="zero", batch_input_shape=[None, 4, 5, 3]))
    images = numbers(2, 4, 5, 3, seed=4)
    path = old_file(tmp_path / "m.h5", model, {"p": [numbers(*alpha)]})
    expected = np.maximum(images, 0) + numbers(*alpha) * np.minimum(images, 0)
    ours = predicted(converted(path, tmp_path / "m.keras"), images)
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6)


INNER = [
    numbers(4, 3, seed=1),
    numbers(3, seed=2),
    *(abs(numbers(3, seed=seed)) for seed in (3, 4)),
    numbers(3, 2, seed=5),
    numbers(2, seed=6),
    *(abs(numbers(3, seed=seed)) for seed in (7, 8)),
]
NAMES = (
    "dense_1_W",
    "dense_1_b",
    "norm_gamma",
    "norm_beta",
    "dense_11_W",
    "dense_11_b",
    "norm_running_mean",
    "norm_running_std",
)


def by_hand(inputs: Any) -> Any:
    kernel, bias, gamma, beta, last, end, mean, variance = INNER
    hidden = (np.tanh(inputs @ kernel + bias) - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return hidden @ last + end


def inner_layers() -> list[dict[str, Any]]:
    return [
        layer("Dense", "dense_1", output_dim=3, activation="tanh", batch_input_shape=[None, 4]),
        layer("BatchNormalization", "norm", mode=0, axis=-1, epsilon=1e-3),
        layer("Dense", "dense_11", output_dim=2),
    ]


@pytest.mark.keras
@pytest.mark.parametrize("kind", ["graph in graph", "chain in graph", "chain in chain", "graph in chain"])
@pytest.mark.parametrize("suffix", ["", ":0"])
def test_models_in_models(kind: str, suffix: str, tmp_path: Path) -> None:
    import h5py

    source = layer("InputLayer", "x", batch_input_shape=[None, 4], input_dtype="float32", sparse=False)
    inside = [
        node(source),
        *(node(one, before) for one, before in zip(inner_layers(), ("x", "dense_1", "norm"), strict=True)),
    ]
    inner = (
        {"name": "inner", **graph("inner", inside, "x", "dense_11")}
        if kind.startswith("graph")
        else {"class_name": "Sequential", "config": inner_layers()}
    )
    if kind.endswith("graph"):
        outer = {**source, "config": {**source["config"], "name": "outer_x"}}
        model = graph("outer", [node(outer), node({"name": "inner", **inner}, "outer_x")], "outer_x", "inner")
        model["config"]["output_layers"] = [["inner", 1, 0]]
    else:
        model = sequential(inner)
    path = old_file(tmp_path / "m.h5", model, {"inner": INNER})
    with h5py.File(path, "r+") as file:
        group = file["model_weights/inner"]
        names = [f"{name}{suffix}" for name in NAMES]
        for old, new in zip(list(group.attrs["weight_names"]), names, strict=True):
            group[new] = group[old][...]
        del group["inner"]
        group.attrs["weight_names"] = [name.encode() for name in names]
    inputs = numbers(5, 4, seed=9)
    model = converted(path, tmp_path / "m.keras")
    np.testing.assert_allclose(predicted(model, inputs), by_hand(inputs), rtol=1e-5, atol=1e-5)
    assert len(values_of(path)) == 8
