"""A second head beside the first: it learns from its own targets, and is measured by them; the first has none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import surgery
from surgery.errors import DataInvalid, InvalidValue, SurgeryError
from surgery.recipe.data import CsvData, ImageFolderData, NpzData, targeted
from surgery.training.outputs import places, with_outputs
from surgery.training.result import RunResult
from surgery.training.run import run
from tests.training import small

pytestmark = pytest.mark.keras

RECIPE = """\
surgery: 1
name: heads
model: {{path: base.keras}}
operations:
  - {{op: branch, from: drop, layers: [Dense: {{units: 2, activation: softmax, name: sign}}]}}
  {operations}
training:
  data: {{train: {{npz: data.npz, x: x, y: {y}}}, validation_split: 0.25, batch_size: 16}}
  {guards}
  stages:
    - name: one
      epochs: {epochs}
      optimizer: {{AdamW: {{learning_rate: 0.03, weight_decay: 0.1}}}}
      loss: {loss}
      metrics: [accuracy]
      callbacks: [{callback}]
evaluation:
  - {{name: old, data: {{npz: data.npz, x: x, y: {{head: y}}}}, max_drop: {{accuracy: {drop}}}}}
  - {{name: new, data: {{npz: data.npz, x: x, y: {{sign: z}}}}, metrics: [accuracy]}}
  - {{name: kept aside, data: validation}}
"""
PARTS: dict[str, Any] = {
    "y": "{sign: z}",
    "operations": "",
    "guards": "",
    "callback": "EarlyStopping: {monitor: val_accuracy, patience: 5}",
    "drop": 1.0,
    "epochs": 3,
    "loss": "sparse_categorical_crossentropy",
}
FREEZE = "- {op: freeze, layers: {not: sign}}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained model of one head, and data for two."""
    folder = tmp_path_factory.mktemp("made")
    data = small.examples(128)
    model = small.model()
    model.compile(keras.optimizers.Adam(0.03), small.LOSS)
    model.fit(data.x[0], data.y[0], epochs=5, verbose=0)
    model.save(folder / "base.keras")
    np.savez(folder / "data.npz", x=data.x[0], y=data.y[0], z=data.x[0][:, 5] > 0)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "own"))


def ran(folder: Path, **parts: Any) -> RunResult:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(**PARTS | parts))
    return run(surgery.plan(surgery.load_recipe(path)))


def refused(folder: Path, **parts: Any) -> SurgeryError:
    with pytest.raises(SurgeryError) as caught:
        ran(folder, **parts)
    return caught.value


def measured(result: RunResult) -> set[str]:
    """The names of what was measured in the first epoch."""
    return set(result.document["stages"][0]["epochs"][0]["metrics"])


def head(model: keras.Model) -> list[np.ndarray]:
    return [np.array(value) for value in model.get_layer("head").get_weights()]


def test_the_head_without_targets_stays_as_it_is(folder: Path) -> None:
    result = ran(folder)
    model, before = keras.models.load_model(result.model), keras.models.load_model(folder / "base.keras")
    assert model.output_names == ["head", "sign"]
    assert small.same(head(model), head(before))
    assert not small.same(model.get_layer("hidden").get_weights(), before.get_layer("hidden").get_weights())
    assert measured(result) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_each_head_is_measured_by_its_own_targets(folder: Path) -> None:
    result = ran(folder, operations=FREEZE, drop=0.0, epochs=12)
    record = json.loads((result.folder / "run.json").read_text())
    old, new, aside = record["evaluation"]
    assert old["before"] == old["after"] > 0.8
    assert (old["metric"], new["metric"], aside["metric"]) == ("accuracy", "accuracy", "accuracy")
    assert (new["before"], aside["before"]) == (None, None)
    assert new["after"] > 0.7


def test_the_old_head_learns_from_a_teacher(folder: Path) -> None:
    results = [ran(folder, epochs=12, guards=guards) for guards in ("", "guards: [{distill: {weight: 1.0}}]")]
    before = keras.models.load_model(folder / "base.keras")
    plain, taught = (keras.models.load_model(result.model) for result in results)
    assert not small.same(head(taught), head(before))
    x = np.load(folder / "data.npz")["x"]
    said = before.predict(x, verbose=0)
    apart = [np.abs(model.predict(x, verbose=0)[0] - said).mean() for model in (plain, taught)]
    assert apart[1] < apart[0] / 2
    assert measured(results[1]) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_all_heads_with_targets_learn_and_are_named(folder: Path) -> None:
    result = ran(folder, y="{head: y, sign: z}", callback="EarlyStopping: {monitor: val_sign_accuracy, mode: max}")
    model, before = keras.models.load_model(result.model), keras.models.load_model(folder / "base.keras")
    assert not small.same(head(model), head(before))
    assert {"head_accuracy", "sign_accuracy", "head_loss", "sign_loss"} < measured(result)


def test_a_table_names_the_output_of_its_target(folder: Path) -> None:
    with np.load(folder / "data.npz") as data:
        rows = np.column_stack([data["x"], data["z"]])
    names = ",".join([*(f"f{number}" for number in range(8)), "sign"])
    np.savetxt(folder / "data.csv", rows, delimiter=",", header=names, comments="")
    path = folder / "recipe.yaml"
    table = "{csv: data.csv, target: sign, output: sign}"
    path.write_text(RECIPE.format(**PARTS).replace("{npz: data.npz, x: x, y: {sign: z}}}, val", f"{table}}}, val"))
    model = keras.models.load_model(run(surgery.plan(surgery.load_recipe(path))).model)
    assert small.same(head(model), head(keras.models.load_model(folder / "base.keras")))


SPARSE = "sparse_categorical_crossentropy"


def test_each_head_has_a_loss_of_its_own_that_counts_so_much(folder: Path) -> None:
    part = {"y": "{sign: z, head: y}", "callback": "EarlyStopping: {monitor: val_loss}", "epochs": 1}
    loss = f"{{sign: {{SparseCategoricalCrossentropy: {{ignore_class: 0}}}}, head: {SPARSE}}}"
    result = ran(folder, **part, loss=f"{loss}\n      loss_weights: {{sign: 3.0}}")
    metrics = result.document["stages"][0]["epochs"][0]["metrics"]
    assert metrics["loss"] == pytest.approx(3 * metrics["sign_loss"] + metrics["head_loss"], rel=1e-4)
    model, before = keras.models.load_model(result.model), keras.models.load_model(folder / "base.keras")
    assert not small.same(head(model), head(before))


def test_a_map_with_one_loss_is_a_loss(folder: Path) -> None:
    assert measured(ran(folder, loss=f"{{sign: {SPARSE}}}")) == {"loss", "accuracy", "val_loss", "val_accuracy"}


@pytest.mark.parametrize(
    ("y", "loss", "what"),
    [
        ("{sign: z}", f"{{sing: {SPARSE}}}", "the model learns with no output 'sing'"),
        ("{sign: z}", f"{{sign: {SPARSE}, head: {SPARSE}}}", "the model learns with no output 'head'"),
        ("{sign: z, head: y}", f"{{sign: {SPARSE}}}", "there are targets for 'head', and no loss"),
        ("{sign: z}", f"{SPARSE}\n      loss_weights: {{head: 2.0}}", "the model learns with no output 'head'"),
        ("{sign: z}", "{SparseCategoricalCrossentropi: {from_logits: true}}", "SparseCategoricalCrossentropi"),
        ("{sign: z}", "{sign: {SparseCategoricalCrossentropy: {from_logit: true}}}", "no argument 'from_logit'"),
        ("{sign: z, head: y}", f"{{sign: {SPARSE}, head: mse}}", "'head' gives"),
    ],
)
def test_losses_that_cannot_be(folder: Path, y: str, loss: str, what: str) -> None:
    error = refused(folder, y=y, loss=loss, callback="EarlyStopping: {monitor: val_loss}")
    assert what in str(error)
    assert "recipe.yaml:" in str(error)


def test_two_heads_with_targets_beside_one_with_a_teacher(folder: Path) -> None:
    more = "- {op: branch, from: drop, layers: [Dense: {units: 2, activation: softmax, name: other}]}"
    guards, callback = "guards: [{distill: {weight: 1.0}}]", "EarlyStopping: {monitor: val_loss}"
    result = ran(folder, operations=more, y="{other: z, sign: z}", guards=guards, callback=callback)
    assert {"loss", "sign_accuracy", "other_accuracy", "val_sign_loss", "val_other_loss"} < measured(result)
    assert not any("head" in name or "crossentropy" in name for name in measured(result))
    model = keras.models.load_model(result.model)
    assert model.output_names == ["head", "sign", "other"]


def test_what_cannot_be(folder: Path) -> None:
    error = refused(folder, y="{sing: z}")
    assert "no output 'sing'" in error.what
    assert error.fix == "did you mean 'sign'?"
    error = refused(folder, y="{}")
    assert "recipe.yaml:8:" in str(error)
    assert (error.what, error.expected) == (
        "training.data.train.y: an empty map is not possible here",
        "a map of at least 1",
    )
    assert "a map with one or more of head, sign" in str(
        refused(folder, y="z", callback="EarlyStopping: {monitor: val_loss}").expected
    )
    error = refused(folder, callback="ModelCheckpoint: {filepath: best.keras}")
    assert isinstance(error, InvalidValue)
    assert "without 'head'" in error.what
    path = folder / "recipe.yaml"
    path.write_text(
        RECIPE.format(**PARTS).replace(
            "metrics: [accuracy]}\n  - {name: kept", "max_drop: {accuracy: 1}}\n  - {name: kept"
        )
    )
    plan = surgery.plan(surgery.load_recipe(path))
    with pytest.raises(SurgeryError, match="the source model cannot be measured: the model has no output 'sign'"):
        run(plan)


def test_which_outputs_a_source_has_targets_for() -> None:
    assert targeted(NpzData(npz="a.npz", x="x", y="y")) is None
    assert targeted(NpzData(npz="a.npz", x="x", y={"b": "y", "a": "z"})) == {"b": ("y", "b"), "a": ("y", "a")}
    assert targeted(CsvData(csv="a.csv", target="t", output="a")) == {"a": ("output",)}
    assert targeted(ImageFolderData(image_folder="a", output="b")) == {"b": ("output",)}


def test_a_part_of_a_model_shares_its_variables() -> None:
    first = small.model()
    two = keras.Model(first.inputs[0], {"hidden": first.get_layer("hidden").output, "head": first.outputs[0]})
    assert with_outputs(first, [0]) is first
    (place,) = places(two, ["head"])
    part = with_outputs(two, [place])
    assert part.get_layer("head").kernel is first.get_layer("head").kernel
    x = small.examples(4).x[0]
    np.testing.assert_array_equal(part.predict(x, verbose=0), two.predict(x, verbose=0)["head"])
    with pytest.raises(DataInvalid, match="no output 'had'"):
        places(two, ["had"])
