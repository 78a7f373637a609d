"""A loss fits the last activation, or the plan says what does; and the training that `init` proposes fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import surgery
from surgery.cli.main import run
from surgery.errors import SurgeryError, flatten
from tests.networks import network, write_network

RECIPE = """\
surgery: 1
name: losses
model: {path: base.keras}
operations: []
training:
  data: {train: {npz: data.npz, x: x, y: y}}
  stages:
    - name: all
      epochs: 1
      optimizer: SGD
      loss: LOSS
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.npz").touch()
    return tmp_path


def planned(loss: str, units: int, activation: str | None, *more: dict[str, Any]) -> surgery.Plan:
    head = {"Dense": {"units": units, "activation": activation, "name": "head"}}
    write_network(Path("base.keras"), network({"Flatten": {"name": "flat"}}, head, *more))
    Path("recipe.yaml").write_text(RECIPE.replace("LOSS", loss))
    return surgery.plan(surgery.load_recipe("recipe.yaml"))


def error_of(loss: str, units: int, activation: str | None, *more: dict[str, Any]) -> SurgeryError | None:
    try:
        planned(loss, units, activation, *more)
    except SurgeryError as error:
        (found,) = flatten(error)
        return found
    return None


SPARSE, ONE_HOT, BINARY = "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"


@pytest.mark.parametrize(
    ("loss", "units", "activation", "what", "fix"),
    [
        (SPARSE, 1, "sigmoid", "has one unit", f"loss: {BINARY}"),
        (ONE_HOT, 1, "sigmoid", "has one unit", f"loss: {BINARY}"),
        (SPARSE, 1, None, "has one unit", "loss: {BinaryCrossentropy: {from_logits: true}}"),
        ("{SparseCategoricalCrossentropy: {from_logits: true}}", 1, None, "has one unit", None),
        (SPARSE, 1, "softmax", "is always 1", "- {op: reconfigure, layers: head, config: {activation: sigmoid}}"),
        (BINARY, 1, "softmax", "is always 1", "- {op: reconfigure, layers: head, config: {activation: sigmoid}}"),
        ("mse", 1, "softmax", "is always 1", "- {op: reconfigure, layers: head, config: {activation: sigmoid}}"),
        (SPARSE, 5, "sigmoid", "of its own", "- {op: reconfigure, layers: head, config: {activation: softmax}}"),
        (ONE_HOT, 5, "sigmoid", "a probability of its own (sigmoid)", f"loss: {BINARY}"),
        (SPARSE, 5, None, "gives logits", "loss: {SparseCategoricalCrossentropy: {from_logits: true}}"),
        (BINARY, 1, "linear", "gives logits", "loss: {BinaryCrossentropy: {from_logits: true}}"),
        ("bce", 1, "linear", "gives logits", "loss: {BinaryCrossentropy: {from_logits: true}}"),
        ("{BinaryFocalCrossentropy: {}}", 1, None, "gives logits", None),
        ("{CategoricalFocalCrossentropy: {}}", 5, None, "gives logits", None),
        ("{SparseCategoricalCrossentropy: {from_logits: true}}", 5, "softmax", "told that it gets", f"loss: {SPARSE}"),
        ("{BinaryCrossentropy: {from_logits: true}}", 1, "sigmoid", "told that it gets logits", f"loss: {BINARY}"),
        (SPARSE, 5, "tanh", "the values of tanh", "- {op: reconfigure, layers: head, config: {activation: softmax}}"),
        (BINARY, 1, "relu", "the values of relu", "- {op: reconfigure, layers: head, config: {activation: sigmoid}}"),
    ],
)
def test_a_loss_that_does_not_fit(
    folder: Path, loss: str, units: int, activation: str | None, what: str, fix: str | None
) -> None:
    error = error_of(loss, units, activation)
    assert error is not None
    assert what in error.what
    assert fix is None or error.fix == fix
    assert error.location is not None
    assert error.location.line == 11
    if error.fix and error.fix.startswith("- {op"):
        text = Path("recipe.yaml").read_text().replace("operations: []", f"operations:\n  {error.fix}")
    else:
        text = Path("recipe.yaml").read_text().replace(f"loss: {loss}", str(error.fix))
    Path("recipe.yaml").write_text(text)
    if (units, activation, loss) not in {(1, "softmax", SPARSE)}:
        surgery.plan(surgery.load_recipe("recipe.yaml"))


@pytest.mark.parametrize(
    ("loss", "units", "activation"),
    [
        (SPARSE, 5, "softmax"),
        (ONE_HOT, 5, "softmax"),
        (BINARY, 1, "sigmoid"),
        (BINARY, 5, "sigmoid"),
        ("crossentropy", 1, "sigmoid"),
        ("ce", 5, "softmax"),
        ("{SparseCategoricalCrossentropy: {from_logits: true}}", 5, None),
        ("mse", 1, None),
        ("mse", 5, "softmax"),
        ("{Huber: {delta: 2.0}}", 1, "tanh"),
        (SPARSE, 5, "exponential"),
        (BINARY, 1, "hard_sigmoid"),
    ],
)
def test_a_loss_that_fits(folder: Path, loss: str, units: int, activation: str | None) -> None:
    assert error_of(loss, units, activation) is None


@pytest.mark.parametrize(
    "more",
    [
        [{"Softmax": {}}],
        [{"Activation": {"activation": "softmax"}}],
        [{"Activation": {"activation": "softmax"}}, {"Dropout": {"rate": 0.1}}],
        [{"Reshape": {"target_shape": [1, 5]}}, {"Softmax": {}}],
        [{"Softmax": {}}, {"Reshape": {"target_shape": [1, 5]}}],
        [{"Activation": {"activation": "softmax"}}, {"Activation": {"activation": "linear", "name": "cast"}}],
    ],
)
def test_the_activation_may_be_a_layer_of_its_own(folder: Path, more: list[dict[str, Any]]) -> None:
    assert error_of(SPARSE, 5, None, *more) is None
    error = error_of("{SparseCategoricalCrossentropy: {from_logits: true}}", 5, None, *more)
    assert error is not None
    assert "(softmax)" in error.what


def test_what_cannot_be_told_is_left_alone(folder: Path) -> None:
    for more in ({"Softmax": {"axis": 1}}, {"UnitNormalization": {}}):
        assert error_of(SPARSE, 5, None, more) is None


def test_binary_crossentropy_of_a_softmax_is_a_note(folder: Path) -> None:
    assert any("each class by itself" in note for note in planned(BINARY, 5, "softmax").notes)


LINES = {
    "softmax": ["loss: sparse_categorical_crossentropy", "metrics: [accuracy]"],
    "sigmoid": ["loss: binary_crossentropy", "metrics: [accuracy]"],
    "linear": ["loss: mse", "metrics: [mae]"],
}


def uncommented(recipe: Path) -> None:
    """Takes the # away, as the recipe says."""
    lines, is_training = [], False
    for line in recipe.read_text().splitlines():
        is_training = (is_training or line == "# training:") and line.startswith("#")
        lines.append(line.removeprefix("# ") if is_training else line)
    recipe.write_text("\n".join(lines) + "\n")


@pytest.mark.keras
@pytest.mark.parametrize(
    ("units", "activation", "compiled", "said"),
    [
        (1, "sigmoid", None, LINES["sigmoid"]),
        (5, "softmax", None, LINES["softmax"]),
        (1, "linear", None, LINES["linear"]),
        (4, "sigmoid", None, LINES["sigmoid"]),
        (
            1,
            "linear",
            ("BinaryCrossentropy", {"from_logits": True}),
            ["loss: {BinaryCrossentropy: {from_logits: true}}"],
        ),
        (5, "linear", ("SparseCategoricalCrossentropy", {"from_logits": True}), ["{from_logits: true}}", "[accuracy]"]),
        (1, "linear", ("Huber", {"delta": 2.0}), ["loss: {Huber: {}}", "metrics: [mae]"]),
        (1, "linear", "mae", ["loss: mae"]),
        (1, "sigmoid", "sparse_categorical_crossentropy", LINES["sigmoid"]),
    ],
)
def test_init_proposes_what_fits_and_it_runs(
    folder: Path, units: int, activation: str, compiled: Any, said: list[str]
) -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(units, activation=activation, name="head")]
    )
    if compiled is not None:
        made = compiled if isinstance(compiled, str) else getattr(keras.losses, compiled[0])(**compiled[1])
        model.compile("adam", made)
    model.save("base.keras")
    y = np.arange(40) % max(units, 2)
    if activation == "sigmoid" and units > 1:
        y = np.eye(units)[y]
    x = np.random.default_rng(0).normal(size=(40, 3))
    np.savez("data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert run(["init", "base.keras", "-o", "first.yaml"]) == 0
    text = Path("first.yaml").read_text()
    for line in said:
        assert line in text
    uncommented(Path("first.yaml"))
    assert run(["run", "first.yaml"]) == 0


@pytest.mark.keras
def test_so_it_does_for_an_h5(folder: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="head")])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    model.save("old.h5")
    assert run(["init", "old.h5", "-o", "first.yaml"]) == 0
    assert "loss: {BinaryCrossentropy: {from_logits: true}}" in Path("first.yaml").read_text()


@pytest.mark.keras
def test_init_names_every_output(folder: Path) -> None:
    import keras

    x = keras.Input((3,), name="features")
    kind = keras.layers.Dense(3, activation="softmax", name="yes")(x)
    keras.Model(x, [kind, keras.layers.Dense(1, name="slant")(x)]).save("base.keras")
    z = np.zeros((40, 3))
    arrays = {f"{name}_{end}": y for end in ("train", "test") for name, y in (("x", z), ("new_head", z[:, :1]))}
    np.savez("data.npz", **arrays, **{f"yes_{end}": np.arange(40) % 3 for end in ("train", "test")})
    assert run(["init", "base.keras", "-o", "first.yaml"]) == 0
    text = Path("first.yaml").read_text()
    assert 'loss: {"yes": sparse_categorical_crossentropy, new_head: mse}' in text
    uncommented(Path("first.yaml"))
    assert run(["run", "first.yaml"]) == 0
