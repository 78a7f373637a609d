"""Surgery on networks that people trained and published, measured on real data."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery import api
from surgery.execution.commit import apply_to_file
from surgery.recipe import load_recipe
from tests.real_models import DIGITS, FER, LFW, MNIST, PHYLODEEP, SUDOKU, real_data, real_model

pytestmark = [pytest.mark.keras, pytest.mark.real]

Examples = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def surgery(folder: Path, model: Path, operations: str) -> Any:
    """What Keras loads from the file that a recipe makes of a published model."""
    (folder / "recipe.yaml").write_text(
        f"surgery: 1\nname: real\nmodel: {{path: {model}}}\noperations: {operations}\n", encoding="utf-8"
    )
    apply_to_file(api.plan(load_recipe(folder / "recipe.yaml")), folder / "out.keras")
    return keras.models.load_model(folder / "out.keras")


def digits() -> Examples:
    """5,000 handwritten digits, 28 x 28, of [0, 1]; shuffled."""
    table = np.loadtxt(io.BytesIO(gzip.decompress(real_data(MNIST).read_bytes())), delimiter=",", dtype="float32")
    order = np.random.default_rng(0).permutation(len(table))
    return table[order, :-1].reshape(-1, 28, 28, 1) / 255, table[order, -1].astype("int64")


def faces() -> Examples:
    """100 faces and 100 pictures of something else, 25 x 25, of [0, 1]; as 64 x 64 of [-1, 1], shuffled."""
    images = np.load(real_data(LFW)).astype("float32")[..., None]
    large = np.asarray(keras.ops.image.resize(images, (64, 64))) * 2 - 1
    order = np.random.default_rng(0).permutation(len(large))
    return large[order], (np.arange(200) < 100).astype("int64")[order]


def accuracy(model: Any, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    return float((model.predict(x, verbose=0, batch_size=250).argmax(-1) == y).mean())


def trained(model: Any, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], epochs: int) -> Any:
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0)
    return model


def test_sudoku_reads_digits_as_before(tmp_path: Path) -> None:
    x, y = digits()
    model = surgery(tmp_path, real_model(SUDOKU), "[]")
    size = model.input_shape[1]
    scaled = np.asarray(keras.ops.image.resize(x[:1000], (size, size)))
    best = max(accuracy(model, scaled * factor, y[:1000]) for factor in (1, 255))
    assert best > 0.95


def test_a_new_head_on_the_frozen_base_tells_odd_from_even(tmp_path: Path) -> None:
    x, y = digits()
    operations = """
      - {op: replace, layers: -1, with: [{Dense: {units: 2, activation: softmax, name: odd}}], weights: fresh}
      - {op: freeze, layers: {to: -2}}
    """
    model = surgery(tmp_path, real_model(SUDOKU), operations)
    size = model.input_shape[1]
    scaled = np.asarray(keras.ops.image.resize(x[:2000], (size, size)))
    assert sum(layer.trainable and bool(layer.weights) for layer in model.layers) == 1
    trained(model, scaled[:1500], y[:1500] % 2, 3)
    assert accuracy(model, scaled[1500:], y[1500:2000] % 2) > 0.8


def test_digits_learn_another_hand(tmp_path: Path) -> None:
    x, y = digits()
    before = surgery(tmp_path, real_model(DIGITS), "[]")
    (tmp_path / "out.keras").unlink()
    old = accuracy(before, x[4000:], y[4000:])
    operations = (
        "[{op: replace, layers: -1, with: [{Dense: {units: 10, activation: softmax, name: ours}}], weights: fresh}]"
    )
    model = trained(surgery(tmp_path, real_model(DIGITS), operations), x[:2000], y[:2000], 2)
    assert accuracy(model, x[4000:], y[4000:]) > max(0.85, old)


def test_fer_cut_at_its_last_addition_tells_faces(tmp_path: Path) -> None:
    x, y = faces()
    operations = """
      - {op: truncate, after: add_4}
      - op: append
        layers:
          - GlobalAveragePooling2D: {name: pool}
          - Dense: {units: 2, activation: softmax, name: is_face}
      - {op: freeze, layers: {to: add_4}}
    """
    model = surgery(tmp_path, real_model(FER), operations)
    assert len(model.trainable_weights) == 2
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x[:120], y[:120], epochs=30, batch_size=32, verbose=0)
    assert accuracy(model, x[120:], y[120:]) > 0.9


def test_fer_cut_inside_gives_the_inner_activation(tmp_path: Path) -> None:
    x, _ = faces()
    whole = surgery(tmp_path, real_model(FER), "[]")
    (tmp_path / "out.keras").unlink()
    cut = surgery(tmp_path, real_model(FER), "[{op: truncate, after: add_3}]")
    inner = keras.Model(whole.inputs[0], whole.get_layer("add_3").output)
    assert np.array_equal(cut.predict(x[:4], verbose=0), inner.predict(x[:4], verbose=0))


def test_a_pruned_reader_still_reads(tmp_path: Path) -> None:
    x, y = digits()
    whole = surgery(tmp_path, real_model(SUDOKU), "[]")
    (tmp_path / "out.keras").unlink()
    hidden = [layer.name for layer in whole.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)][-2]
    pruned = surgery(tmp_path, real_model(SUDOKU), f"[{{op: prune, layers: {hidden}, fraction: 0.1}}]")
    assert pruned.count_params() < whole.count_params()
    scaled = np.asarray(keras.ops.image.resize(x[:1000], (whole.input_shape[1],) * 2))
    assert max(accuracy(pruned, scaled * factor, y[:1000]) for factor in (1, 255)) > 0.9


def probe(model: Any) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).uniform(size=(8, *model.input_shape[1:])).astype("float32")


def outputs(model: Any, x: np.ndarray[Any, Any], layer: str | None = None) -> np.ndarray[Any, Any]:
    """What the model computes, or a layer inside of it."""
    inner = model if layer is None else keras.Model(model.inputs[0], model.get_layer(layer).output)
    return np.asarray(inner(x, training=False))


def built(folder: Path, model: Path, operations: str) -> Any:
    """What a recipe makes of a published model, and what the plan says of it."""
    (folder / "recipe.yaml").write_text(f"surgery: 1\nname: real\nmodel: {{path: {model}}}\noperations: {operations}\n")
    plan = api.plan(load_recipe(folder / "recipe.yaml"))
    result = api.apply(plan)
    assert result.count_params() == plan.spec.parameters
    return result


OLD_INPUTS = pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`:UserWarning")
"""Keras warns of how Keras 2 wrote the shape of a Sequential's input."""


@OLD_INPUTS
@pytest.mark.parametrize("name", PHYLODEEP[::3], ids=lambda name: Path(name).stem)
def test_every_reader_of_family_trees_computes_what_keras_says(tmp_path: Path, name: str) -> None:
    """There is no data for them in a wheel: numbers like theirs go in, and Keras' own loading is the judge."""
    theirs = keras.models.load_model(real_model(name), compile=False)
    x = probe(theirs)
    assert np.array_equal(outputs(theirs, x), outputs(built(tmp_path, real_model(name), "[]"), x))


@OLD_INPUTS
@pytest.mark.parametrize(
    "name", [name for name in PHYLODEEP if "BDSS" in name and "vs" not in name], ids=["CNN", "FFNN"]
)
def test_a_reader_of_family_trees_takes_every_operation(tmp_path: Path, name: str) -> None:
    path = real_model(name)
    theirs = keras.models.load_model(path, compile=False)
    x, last = probe(theirs), theirs.layers[-1].name
    inside = theirs.layers[-4].name
    head = built(tmp_path, path, "[{op: replace, layers: -1, with: [{Dense: {units: 2, name: two}}]}]")
    assert np.array_equal(outputs(head, x, theirs.layers[-2].name), outputs(theirs, x, theirs.layers[-2].name))
    assert outputs(head, x).shape == (8, 2)
    cut = built(tmp_path, path, f"[{{op: truncate, after: {inside}}}]")
    assert np.array_equal(outputs(cut, x), outputs(theirs, x, inside))
    fewer = built(tmp_path, path, f"[{{op: resize, layer: {last}, units: 3}}]")
    np.testing.assert_allclose(outputs(fewer, x), outputs(theirs, x)[:, :3], rtol=1e-5)
    hidden = theirs.layers[1].name
    pruned = built(tmp_path, path, f"[{{op: prune, layers: {hidden}, fraction: 0.1}}]")
    assert pruned.count_params() < theirs.count_params()
    lost = np.abs(outputs(pruned, x) - outputs(theirs, x)).mean() / np.abs(outputs(theirs, x)).mean()
    assert lost < 0.25
