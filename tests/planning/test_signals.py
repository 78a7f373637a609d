"""What callbacks and gates look at is logged under that very name; else the plan says so, with the name that is."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import surgery
from surgery.cli.main import run
from surgery.errors import SurgeryError, flatten
from surgery.model import catalogue
from surgery.model.keras_object import MetricObject
from surgery.planning.signals import WITHOUT_DIRECTION, logged
from tests.networks import classifier, write_network

RECIPE = """\
surgery: 1
name: signals
model: {path: base.keras}
operations: []
training:
  data:
    train: {npz: data.npz, x: x, y: y}
    validation_split: 0.2
  stages:
    - name: all
      epochs: 2
      optimizer: SGD
      loss: sparse_categorical_crossentropy
      metrics: [accuracy]
      callbacks:
        - CALLBACK
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_network(tmp_path / "base.keras", classifier())
    (tmp_path / "data.npz").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def errors(callback: str, *changes: tuple[str, str], more: str = "") -> list[SurgeryError]:
    text = RECIPE.replace("CALLBACK", callback)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("recipe.yaml").write_text(text + more)
    try:
        surgery.plan(surgery.load_recipe("recipe.yaml"))
    except SurgeryError as error:
        return flatten(error)
    return []


WITHOUT = ("    validation_split: 0.2\n", "")


@pytest.mark.parametrize(
    ("callback", "changes", "what", "fix"),
    [
        ("EarlyStopping: {}", [WITHOUT], "watches 'val_loss', and the training has no validation", "monitor: loss"),
        ("EarlyStopping: {monitor: val_acc}", [WITHOUT], "no validation", None),
        (
            "EarlyStopping: {monitor: val_acc}",
            [],
            "'val_acc', which stage 'all' does not measure",
            "monitor: val_accuracy",
        ),
        ("ReduceLROnPlateau: {}", [WITHOUT], "watches 'val_loss'", "monitor: loss"),
        ("ReduceLROnPlateau: {monitor: acuracy}", [], "'acuracy'", "monitor: accuracy"),
        ("ModelCheckpoint: {filepath: a.keras, save_best_only: true}", [WITHOUT], "'val_loss'", "monitor: loss"),
        ("ModelCheckpoint: {filepath: a.keras, monitor: val_mae}", [], "'val_mae'", "metrics: [accuracy, mae]"),
        ("ModelCheckpoint: {filepath: 'a-{val_acc:.2f}.keras'}", [], "'val_acc'", "write val_accuracy for val_acc"),
        ("ModelCheckpoint: {filepath: 'a-{val_loss:.2f}.keras'}", [WITHOUT], "'val_loss'", "validation_split: 0.2"),
        ("EarlyStopping: {monitor: sparse_categorical_accuracy}", [], "does not measure", "monitor: accuracy"),
        ("EarlyStopping: {monitor: learning_rate}", [], "does not measure", None),
        ("EarlyStopping: {monitor: val_mean}", [("[accuracy]", "[mean]")], "whether more of it is better", "mode: max"),
        (
            "EarlyStopping: {monitor: val_false_negatives}",
            [("[accuracy]", "[{FalseNegatives: {}}]")],
            "whether more of it is better",
            "mode: min",
        ),
        (
            "EarlyStopping: {monitor: val_hits}",
            [("[accuracy]", "[{AUC: {name: hit}}]")],
            "'val_hits'",
            "monitor: val_hit",
        ),
    ],
)
def test_what_nobody_logs_is_found_in_the_plan(
    folder: Path, callback: str, changes: list[tuple[str, str]], what: str, fix: str | None
) -> None:
    (error,) = errors(callback, *changes)
    assert what in error.what
    assert fix is None or error.fix == fix
    assert error.location is not None
    assert error.location.line == 16 - (WITHOUT in changes)


@pytest.mark.parametrize(
    ("callback", "changes"),
    [
        ("EarlyStopping: {}", []),
        ("EarlyStopping: {monitor: loss}", [WITHOUT]),
        ("EarlyStopping: {monitor: val_accuracy}", []),
        ("EarlyStopping: {monitor: auc}", [("[accuracy]", "[{AUC: {}}]")]),
        ("EarlyStopping: {monitor: AUC}", [("[accuracy]", "[AUC]")]),
        ("EarlyStopping: {monitor: acc}", [("[accuracy]", "[acc]")]),
        ("EarlyStopping: {monitor: accuracy_1, mode: max}", [("[accuracy]", "[accuracy, accuracy]")]),
        ("EarlyStopping: {monitor: val_false_negatives, mode: min}", [("[accuracy]", "[{FalseNegatives: {}}]")]),
        (
            "EarlyStopping: {monitor: whatever, mode: min}",
            [("[accuracy]", "[my.own>Metric: {}]"), ("name: signals", "name: signals\nimports: [my]")],
        ),
        (
            "{my>Own: {}}\n        - EarlyStopping: {monitor: f1, mode: max}",
            [("name: signals", "name: signals\nimports: [my]")],
        ),
        ("ReduceLROnPlateau: {}\n        - EarlyStopping: {monitor: learning_rate, mode: min}", []),
        ("ModelCheckpoint: {filepath: a.keras}", [WITHOUT]),
        ("ModelCheckpoint: {filepath: 'a-{epoch:02d}-{val_accuracy:.2f}.keras'}", []),
        ("ModelCheckpoint: {filepath: 'a-{batch}.keras', save_freq: 3}", []),
    ],
)
def test_what_is_logged_is_fine(folder: Path, callback: str, changes: list[tuple[str, str]]) -> None:
    assert errors(callback, *changes) == []


EVALUATION = "evaluation:\n  - {name: old, data: {npz: data.npz, x: x, y: y}, MORE}\n"


@pytest.mark.parametrize(
    ("more", "fix"),
    [
        ("max_drop: {acuracy: 0.02}", None),
        ("metrics: [accuracy], max_drop: {acuracy: 0.02}", "metrics: [accuracy], max_drop: {accuracy: 0.02}"),
        ("metrics: [{AUC: {name: area}}], max_drop: {areas: 0.02}", "metrics: [AUC], max_drop: {area: 0.02}"),
    ],
)
def test_a_gate_on_what_nobody_measures(folder: Path, more: str, fix: str | None) -> None:
    (error,) = errors("EarlyStopping: {}", more=EVALUATION.replace("MORE", more))
    assert "which is not measured of the result" in error.what or "Keras has no metric" in error.what
    assert fix is None or error.fix == fix


@pytest.mark.parametrize(
    "more", ["max_drop: {accuracy: 0.02}", "max_drop: {loss: 0.1}", "metrics: [AUC], max_drop: {AUC: 0.1}"]
)
def test_a_gate_on_what_is_measured(folder: Path, more: str) -> None:
    assert errors("EarlyStopping: {}", more=EVALUATION.replace("MORE", more)) == []


@pytest.mark.parametrize("metric", ["IoU", "mean_io_u", "crossentropy"])
def test_a_bare_name_that_keras_makes_nothing_of(folder: Path, metric: str) -> None:
    assert [error.code() for error in errors("EarlyStopping: {}", ("[accuracy]", f"[{metric}]"))] in (
        ["missing-key"],
        ["unknown-class"],
    )


METRICS: tuple[tuple[Any, ...], ...] = (
    (),
    ("accuracy",),
    ("accuracy", "acc", "sparse_categorical_crossentropy"),
    ("accuracy", "accuracy", {"AUC": {"name": "accuracy"}}),
    ({"SparseTopKCategoricalAccuracy": {"k": 2}}, {"SparseCategoricalAccuracy": {"name": "apart"}}),
)


@pytest.mark.keras
@pytest.mark.parametrize(("outputs", "metrics"), [*itertools.product((1, 2), METRICS)])
def test_the_names_are_those_that_keras_logs(outputs: int, metrics: tuple[Any, ...]) -> None:
    import keras
    import numpy as np

    from surgery.training.objects import live
    from surgery.training.outputs import for_each

    names = ["digit", "slant"][:outputs]
    x = keras.Input((4,))
    made = [keras.layers.Dense(3, "softmax", name=name)(x) for name in names]
    model = keras.Model(x, made if outputs > 1 else made[0])
    parsed = [MetricObject.parse(metric) for metric in metrics]
    model.compile(
        "sgd",
        ["sparse_categorical_crossentropy"] * outputs if outputs > 1 else "sparse_categorical_crossentropy",
        metrics=for_each(outputs, lambda: [live(metric, (), ()) for metric in parsed if metric.class_name != "AUC"]),
    )
    y = np.array([0, 1, 2, 0])
    history = model.fit(np.zeros((4, 4)), [y] * outputs if outputs > 1 else y, verbose=0).history
    assert set(history) == set(logged(names, [metric for metric in parsed if metric.class_name != "AUC"]))


@pytest.mark.keras
def test_the_metrics_without_a_direction_are_those_of_keras() -> None:
    import keras

    made = {
        name: getattr(keras.metrics, name)()
        for name in catalogue.names("metrics")
        if not catalogue.find("metrics", name).required  # type: ignore[union-attr]
    }
    found = {name for name, metric in made.items() if not hasattr(metric, "_direction")}
    assert found == WITHOUT_DIRECTION - {"MeanMetricWrapper"}


@pytest.mark.keras
def test_the_same_recipe_runs_when_the_fix_is_typed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    from tests.training import small

    small.model().save("base.keras")
    data = small.examples(40)
    np.savez("data.npz", x=data.x[0], y=data.y[0])
    Path("recipe.yaml").write_text(RECIPE.replace("CALLBACK", "EarlyStopping: {monitor: val_acc}"))
    assert run(["run", "recipe.yaml"]) == 1
    assert "fix:      monitor: val_accuracy" in capsys.readouterr().err
    Path("recipe.yaml").write_text(RECIPE.replace("CALLBACK", "EarlyStopping: {monitor: val_accuracy}"))
    assert run(["run", "recipe.yaml"]) == 0
