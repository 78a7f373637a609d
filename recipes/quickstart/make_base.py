"""Makes the two files that the quickstart starts from: digits.npz, the data, and base.keras, the trained model.

    .venv/bin/python recipes/quickstart/make_base.py

The data are the UCI optical digits that scikit-learn ships: 1,797 grey images of 8x8. A quarter of each digit is held
out. The model learns digits 0-4 alone, so 5-9 are new to it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SEED = 7
HERE = Path(__file__).parent

Arrays = dict[str, np.ndarray]


def digits() -> Arrays:
    """The data, split. Pixels are in 0..1; `old` are the held-out digits 0-4, `new` the held-out digits 5-9."""
    from sklearn.datasets import load_digits

    source = load_digits()
    x = (source.images / 16).astype("float32")[..., np.newaxis]
    y = source.target.astype("int64")
    held_out = _held_out(y)
    arrays = {"x_train": x[~held_out], "y_train": y[~held_out], "x_test": x[held_out], "y_test": y[held_out]}
    for name, chosen in {"old": held_out & (y < 5), "new": held_out & (y >= 5)}.items():
        arrays |= {f"x_{name}": x[chosen], f"y_{name}": y[chosen]}
    return arrays


def _held_out(y: np.ndarray) -> np.ndarray:
    """A quarter of each digit, drawn by a fixed seed."""
    generator = np.random.default_rng(SEED)
    chosen = np.zeros(len(y), dtype=bool)
    for digit in range(10):
        places = generator.permutation(np.flatnonzero(y == digit))
        chosen[places[: len(places) // 4]] = True
    return chosen


def architecture():
    """A small convolutional network for five digits, untrained."""
    import keras
    from keras import layers

    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(32, 3, padding="same", activation="relu", name="conv1")(image)
    x = layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(name="pool1")(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu", name="conv3")(x)
    x = layers.MaxPooling2D(name="pool2")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    x = layers.Dense(128, activation="relu", name="dense")(x)
    predictions = layers.Dense(5, activation="softmax", name="predictions")(x)
    return keras.Model(image, predictions, name="digits_0_to_4")


def main() -> None:
    import keras

    arrays = digits()
    np.savez_compressed(HERE / "digits.npz", **arrays)

    keras.utils.set_random_seed(SEED)
    model = architecture()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    old = arrays["y_train"] < 5
    model.fit(arrays["x_train"][old], arrays["y_train"][old], batch_size=32, epochs=15, verbose=0)
    _, accuracy = model.evaluate(arrays["x_old"], arrays["y_old"], verbose=0)

    # A model that was never compiled is a third of the size on disk: no optimizer state. Training compiles anew.
    bare = architecture()
    bare.set_weights(model.get_weights())
    bare.save(HERE / "base.keras")
    print(f"base.keras: {bare.count_params()} parameters, accuracy on held-out 0-4: {accuracy:.4f}")


if __name__ == "__main__":
    main()
