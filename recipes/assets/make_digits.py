"""Makes what two recipes share: digits.npz, the data, and digits.h5, a trained network in Keras' older file format.

    .venv/bin/python recipes/assets/make_digits.py

The data are the UCI optical digits that scikit-learn ships, 1,797 grey images of 8x8, each with its digit and with whether
that is odd. A quarter is held out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SEED = 11
HERE = Path(__file__).parent

Arrays = dict[str, np.ndarray]


def digits() -> Arrays:
    """The data, split. Pixels are in 0..1."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    source = load_digits()
    x = (source.images / 16).astype("float32")[..., np.newaxis]
    y = source.target.astype("int64")
    parts = train_test_split(x, y, test_size=0.25, stratify=y, random_state=SEED)
    arrays = dict(zip(("x_train", "x_test", "y_train", "y_test"), parts, strict=True))
    return arrays | {"odd_train": arrays["y_train"] % 2, "odd_test": arrays["y_test"] % 2}


def network():
    """A small convolutional network for the ten digits, untrained."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, padding="same", activation="relu", name="conv1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2"),
            layers.MaxPooling2D(name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", name="dense"),
            layers.Dense(10, activation="softmax", name="predictions"),
        ],
        name="digits",
    )


def main() -> None:
    import keras

    arrays = digits()
    np.savez_compressed(HERE / "digits.npz", **arrays)

    keras.utils.set_random_seed(SEED)
    model = network()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(arrays["x_train"], arrays["y_train"], batch_size=32, epochs=30, verbose=0)
    _, accuracy = model.evaluate(arrays["x_test"], arrays["y_test"], verbose=0)
    model.save(HERE / "digits.h5", include_optimizer=False)
    print(f"digits.h5: {model.count_params()} parameters, accuracy on held-out digits: {accuracy:.4f}")


if __name__ == "__main__":
    main()
