"""The quickstart, whole: what the demo promises, measured with plain Keras on the written file."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import numpy as np
import pytest

from surgery import api
from surgery.recipe import load_recipe

pytestmark = pytest.mark.keras


def accuracy(model: Path, data: Path, digits: str) -> float:
    """The share of held-out digits that a saved model tells right."""
    import keras

    with np.load(data) as arrays:
        predicted = keras.models.load_model(model).predict(arrays[f"x_{digits}"], verbose=0).argmax(axis=1)
        return float((predicted == arrays[f"y_{digits}"]).mean())


def test_digits_0_to_4_learn_5_to_9_and_keep_what_they_knew(recipes: Path) -> None:
    folder = recipes / "quickstart"
    result = api.run(load_recipe(folder / "digits-0-to-9.yaml"))
    data = folder / "digits.npz"
    assert accuracy(result.model, data, "new") >= 0.95
    assert accuracy(folder / "base.keras", data, "old") - accuracy(result.model, data, "old") <= 0.02


def test_the_base_knows_the_old_digits_and_none_of_the_new(repository: Path) -> None:
    folder = repository / "recipes" / "quickstart"
    assert accuracy(folder / "base.keras", folder / "digits.npz", "old") >= 0.99
    assert accuracy(folder / "base.keras", folder / "digits.npz", "new") == 0
    assert (folder / "base.keras").stat().st_size < 500_000


def test_the_shipped_data_are_what_the_script_makes(repository: Path) -> None:
    folder = repository / "recipes" / "quickstart"
    made = run_path(str(folder / "make_base.py"))["digits"]()
    with np.load(folder / "digits.npz") as shipped:
        assert set(shipped) == set(made)
        assert all(np.array_equal(shipped[name], array) for name, array in made.items())


def test_no_held_out_digit_is_trained_on(repository: Path) -> None:
    with np.load(repository / "recipes" / "quickstart" / "digits.npz") as shipped:
        trained = {image.tobytes() for image in shipped["x_train"]}
        held_out = [image.tobytes() for image in shipped["x_test"]]
        assert not trained.intersection(held_out)
        assert len(shipped["x_old"]) + len(shipped["x_new"]) == len(held_out)
