"""Makes the files of Keras 2 in this folder: needs TensorFlow and tf_keras, and is run by hand.

    pip install tf_keras && python tests/model/keras2/make.py

Beside each model is an `.npz` with inputs and with what Keras 2 itself predicted for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras import layers
from tf_keras.src.layers.rnn.cudnn_gru import CuDNNGRU
from tf_keras.src.layers.rnn.cudnn_lstm import CuDNNLSTM

HERE = Path(__file__).parent
RANDOM = np.random.default_rng(0)
tf.keras.layers.InputSpec = layers.InputSpec  # SpectralNormalization of tf_keras takes it from there


def fill(model: Any) -> None:
    for weight in model.weights:
        if not tf.TensorShape(weight.shape).is_fully_defined():  # a table of words
            continue
        is_variance = "variance" in weight.name
        weight.assign(RANDOM.uniform(0.5, 1.5, weight.shape) if is_variance else RANDOM.normal(0, 0.3, weight.shape))


def save(
    name: str, model: Any, *shapes: tuple[int, ...], judge: Any = None, archive: bool = False, words: int = 0
) -> None:
    fill(model)
    model.save(HERE / f"{name}.h5", include_optimizer=False)
    if archive:
        model.save(HERE / f"{name}.keras")
    if judge is not None:
        judge.load_weights(HERE / f"{name}.h5")
    inputs = [RANDOM.normal(size=(2, *shape)).astype("float32") for shape in shapes]
    if words:
        inputs = [
            RANDOM.integers(0, words, (2, *shape)).astype("int32") * (RANDOM.random((2, *shape)) > 0.3)
            for shape in shapes
        ]
    outputs = (judge or model).predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    arrays = {f"x{n}": x for n, x in enumerate(inputs)} | {f"y{n}": y for n, y in enumerate(outputs)}
    np.savez_compressed(HERE / f"{name}.npz", **arrays)


def sequential() -> Any:
    return keras.Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1), kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(5, activation="softmax", kernel_constraint=keras.constraints.MaxNorm(2)),
        ]
    )


def functional() -> Any:
    x = keras.Input((6,))
    a = layers.Dense(4, name="scope/a")(x)
    c = layers.Add()([a, layers.Dense(4, name="b", trainable=False)(a)])
    shared = layers.Dense(4, name="shared")
    y = layers.Concatenate()([shared(shared(layers.BatchNormalization(trainable=False)(c))), c])
    return keras.Model(x, [y, layers.Dense(2)(y)])


def nested(is_frozen: bool) -> Any:
    i = keras.Input((6,))
    y = layers.Dense(6, name="second")(layers.Dense(6, name="first", trainable=False)(i))
    inner = keras.Model(i, layers.BatchNormalization()(y), name="inner")
    inner.trainable = not is_frozen
    chain = keras.Sequential([layers.Dense(6, input_shape=(6,)), layers.LeakyReLU(0.1)], name="chain")
    x = keras.Input((6,))
    return keras.Model(x, layers.Dense(3)(chain(inner(inner(x)))))


def recurrent() -> Any:
    regularizer = keras.regularizers.L1L2(1e-3, 1e-3)
    x = keras.Input((7, 4))
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True, kernel_regularizer=regularizer))(x)
    y = layers.GRU(3, return_sequences=True)(y)
    y = layers.GRU(3, return_sequences=True, reset_after=False)(y)
    y = layers.TimeDistributed(keras.Sequential([layers.Dense(2, input_shape=(3,)), layers.Dense(2)]))(y)
    y = layers.RNN([layers.LSTMCell(3), layers.LSTMCell(2)], return_sequences=True)(y)
    return keras.Model(x, layers.SimpleRNN(3)(y))


def attention() -> Any:
    x = keras.Input((7, 4))
    y = layers.LayerNormalization()(layers.MultiHeadAttention(2, 2)(x, x))
    return keras.Model(x, layers.GlobalAveragePooling1D()(y))


def convolutions() -> Any:
    return keras.Sequential(
        [
            layers.SeparableConv2D(4, 3, padding="same", input_shape=(9, 9, 3)),
            layers.DepthwiseConv2D(3),
            layers.Conv2DTranspose(3, 2, strides=2),
            layers.PReLU(shared_axes=[1, 2]),
            layers.ThresholdedReLU(0.01),
            layers.ZeroPadding2D(1),
            layers.Cropping2D(1),
            layers.UpSampling2D(),
            layers.AveragePooling2D(),
            layers.Activation("swish"),
            layers.GlobalAveragePooling2D(),
            layers.Reshape((3, 1)),
            layers.Permute((2, 1)),
        ]
    )


def several() -> Any:
    x, y = keras.Input((4,)), keras.Input((4,))
    return keras.Model([x, y], [layers.Dot(1)([x, y]), layers.Dense(2)(layers.Multiply()([x, y]))])


def cudnn(is_original: bool) -> Any:
    """CuDNN layers run on a GPU alone; Keras 2 loads their weights into its plain layers, which run anywhere."""
    x = keras.Input((7, 4))
    lstm = CuDNNLSTM(3, return_sequences=True) if is_original else layers.LSTM(3, return_sequences=True)
    gru = CuDNNGRU(3) if is_original else layers.GRU(3)
    return keras.Model(x, gru(lstm(x)))


def operations() -> Any:
    """Arithmetic on tensors, which Keras 2 keeps as layers with the names of functions of TensorFlow."""
    x = keras.Input((4, 6))
    y = tf.nn.relu(1.0 - layers.Dense(6)(x) * np.arange(6, dtype="float32") / 3.0)
    y = tf.concat([y, tf.math.squared_difference(x, y), tf.cast(x > 0.0, "float32")], axis=-1)
    y = tf.math.l2_normalize(y, axis=-1) + tf.reduce_mean(y, axis=-1, keepdims=True)
    z = tf.linalg.matmul(y, y, transpose_b=True)
    halves = tf.split(tf.reshape(y[:, 1:, ::2], (-1, 9, 3)), [4, 5], axis=1)
    w = tf.where(halves[1][:, :, 0] > 0.5, tf.math.exp(halves[1][:, :, 0]), 0.5) ** 2
    z = tf.clip_by_value(tf.nn.softmax(z, axis=1), 0.0, 0.9)
    z = tf.expand_dims(tf.reduce_max(z, axis=[1, 2]), 1)
    return keras.Model(x, [z + tf.math.add_n([w, w * 3.0, -w * 0.5]), tf.argmax(w, axis=-1)])


def words() -> Any:
    lookup = layers.IntegerLookup(vocabulary=[1, 2, 3], idf_weights=[0.3, 0.4, 0.5], output_mode="tf_idf")
    return keras.Sequential([keras.Input((6,), dtype="int64"), lookup, layers.Dense(3)])


def radial() -> Any:
    x = keras.Input((8, 8, 3))
    kept = keras.constraints.UnitNorm()
    y = layers.Conv2D(4, 3, kernel_constraint=keras.constraints.RadialConstraint(), bias_constraint=kept)(x)
    return keras.Model(x, layers.GlobalAveragePooling2D()(y))


def masked_operations() -> Any:
    """Operations pass on no mask."""
    x = keras.Input((6,), dtype="int32")
    e = layers.Embedding(9, 4, mask_zero=True)(x)
    parts = [layers.LSTM(2)(part) for part in (e, e * 2.0, tf.concat([e, e], -1), tf.identity(e), e[:, 1:], e + e)]
    return keras.Model(x, layers.Dense(2)(layers.Concatenate()(parts)))


def refused() -> Any:
    """Operations without a twin in keras.ops."""
    x = keras.Input((4, 6))
    return keras.Model(x, tf.nn.crelu(layers.Dense(2)(x)) + tf.cast(tf.shape(x)[0], "float32"))


def graph(shape: tuple[int, ...], end: Any, name: str) -> Any:
    x = keras.Input(shape)
    return keras.Model(x, end(x), name=name)


def wrapped() -> Any:
    """Layers that hold others: models in wrappers, wrappers in wrappers."""
    inner = keras.Sequential([layers.Dense(3), layers.BatchNormalization(), keras.Sequential([layers.Dense(2)])])
    halves = layers.LSTM(2), layers.LSTM(2, use_bias=False, go_backwards=True)
    both = graph((5, 4), lambda x: layers.Dense(4)(layers.Bidirectional(layers.GRU(2))(x)), "both")
    return keras.Sequential(
        [
            keras.Input((3, 5, 6)),
            layers.TimeDistributed(layers.TimeDistributed(layers.Dense(4))),
            layers.TimeDistributed(both),
            layers.TimeDistributed(inner),
            layers.Bidirectional(halves[0], backward_layer=halves[1]),
            layers.SpectralNormalization(layers.Dense(4)),
            graph((4,), layers.Dense(2), "last"),
        ]
    )


def frozen_wrapped() -> Any:
    """A frozen layer lists its own variables before those of the layer in it."""
    x = keras.Input((6,))
    frozen = layers.SpectralNormalization(layers.Dense(4), trainable=False)
    return keras.Model(x, layers.Dense(2)(frozen(x)))


def images() -> Any:
    """Layers that change nothing outside training."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.2),
            layers.RandomZoom(0.2),
            layers.RandomTranslation(0.2, 0.1),
            layers.RandomContrast(0.2),
            layers.RandomBrightness(0.2),
            layers.Conv2D(4, 3),
            layers.SpatialDropout2D(0.3),
            layers.Reshape((6, 24)),
            layers.SpatialDropout1D(0.3),
            layers.Reshape((6, 6, 2, 2)),
            layers.SpatialDropout3D(0.3),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def halves() -> Any:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    x = keras.Input((6,), name="in/put")
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(4, name="a/b")], name="in/ner")
    model = keras.Model(x, layers.Dense(2, name="c/d", dtype="float32")(layers.BatchNormalization()(inner(x))))
    keras.mixed_precision.set_global_policy("float32")
    return model


def numbers() -> Any:
    return keras.Sequential(
        [
            keras.Input((5, 6, 4)),
            layers.LayerNormalization(axis=[3, 1]),
            layers.ThresholdedReLU(0.4),
            layers.Dense(4),
            layers.ReLU(threshold=0.2, max_value=1.0, negative_slope=0.1),
            layers.Discretization(bin_boundaries=[0.1, 0.5, 0.9]),
            layers.Rescaling(0.5),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


if __name__ == "__main__":
    save("sequential", sequential(), (8, 8, 1))
    save("functional", functional(), (6,))
    save("nested", nested(is_frozen=False), (6,), archive=True)
    save("nested_frozen", nested(is_frozen=True), (6,))
    save("recurrent", recurrent(), (7, 4), archive=True)
    save("attention", attention(), (7, 4), archive=True)
    save("convolutions", convolutions(), (9, 9, 3))
    save("several", several(), (4,), (4,))
    save("cudnn", cudnn(is_original=True), (7, 4), judge=cudnn(is_original=False))
    save("operations", operations(), (4, 6), archive=True)
    save("masked_operations", masked_operations(), (6,), archive=True, words=9)
    save("refused", refused(), (4, 6))
    save("wrapped", wrapped(), (3, 5, 6), archive=True)
    save("frozen_wrapped", frozen_wrapped(), (6,), archive=True)
    save("images", images(), (8, 8, 3), archive=True)
    save("halves", halves(), (6,), archive=True)
    save("numbers", numbers(), (5, 6, 4), archive=True)
    save("words", words(), (6,), archive=True, words=5)
    (HERE / "words.h5").unlink()  # has no weights of tf-idf
    save("radial", radial(), (8, 8, 3), archive=True)
