"""One mistake in a good recipe: its code, its line, its column, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.errors import SurgeryError, flatten
from surgery.recipe import load_recipe
from tests.recipe.recipes import broken, write

Change = tuple[str, str]

VALIDATION = "    validation: {npz: digits.npz, x: x_test, y: y_test}\n"
DROP = "    max_drop: {accuracy: 0.02}\n"
STAGE = "training:\n  stages: [{name: a, epochs: 1, optimizer: adam, loss: mse}]"

BROKEN: list[tuple[str, *tuple[Change, ...]]] = [
    # The top
    ("invalid-value", ("surgery: 1", "surgery: ‸2")),
    ("invalid-value", ("surgery: 1", 'surgery: ‸"1"')),
    ("missing-key", ("surgery: 1\nname", "‸name")),
    ("unknown-key", ("seed: 7", "‸sed: 7")),
    ("unknown-key", ("operations:\n  - op: replace", "‸operation:\n  - op: replace")),
    ("unknown-key", ("outputs:", "‸output:")),
    ("invalid-value", ("digits-0-to-9", "‸digits/0")),
    ("invalid-value", ("digits-0-to-9", "‸..")),
    ("wrong-type", ("digits-0-to-9", "‸12")),
    ("wrong-type", ("seed: 7", 'seed: ‸"7"')),
    ("wrong-type", ("seed: 7", "seed: ‸7.5")),
    ("invalid-value", ("seed: 7", "seed: ‸-1")),
    ("wrong-type", ("seed: 7", "seed: ‸true")),
    ("wrong-type", ("imports: [my_package.layers]", "imports: ‸my_package.layers")),
    ("invalid-value", ("[my_package.layers]", "[‸my-package]")),
    # Parameters
    ("unknown-parameter", ("${epochs}", "‸${epoch}")),
    ("unknown-parameter", ("A classifier of", "A ‸${kind} of")),
    ("invalid-value", ("${epochs}", "‸${epochs")),
    ("invalid-value", ("A classifier", "A ‸${HOME:-x}")),
    ("wrong-type", ("  epochs: 8", "  epochs: ‸[8]")),
    ("invalid-value", ("  epochs: 8", "  epochs: 8\n  ‸a-b: 1"), ("A classifier", "B classifier")),
    ("invalid-value", ("  epochs: 8", "  epochs: 8\n  other: ‸${epochs}")),
    ("wrong-type", ("  epochs: 8", "  epochs: eight"), ("epochs: ${epochs}", "epochs: ‸${epochs}")),
    ("wrong-type", ("${epochs}", "‸${epochs}0")),
    ("key-not-text", ("path: base", "‸${epochs}: base"), ("model:\n", "model:\n  path: base.keras\n")),
    # The model
    ("unknown-key", ("  path: base.keras", "  ‸pth: base.keras")),
    ("missing-key", ("model:\n  path: base.keras", "‸model: {}")),
    ("missing-key", ("model:\n  path: base.keras", "model_: 1"), ("surgery: 1", "‸surgery: 1"), ("model_: 1\n", "")),
    ("wrong-type", ("model:\n  path: base.keras", "model: ‸base.keras")),
    ("wrong-type", ("path: base.keras", "path: ‸1")),
    ("wrong-type", ("  path: base.keras", "  ‸path:")),
    ("file-missing", ("base.keras", "‸bse.keras")),
    ("invalid-value", ("  path: base.keras", "  path: base.keras\n  ‸application: VGG16")),
    ("invalid-value", ("  path: base.keras", "  path: base.keras\n  sha256: ‸abc")),
    ("unknown-key", ("  path: base.keras", "  path: base.keras\n  ‸weight: x")),
    ("invalid-value", ("path: base.keras", "application: ‸VGG61")),
    ("file-missing", ("path: base.keras", "application: VGG16\n  weights: ‸w.h5")),
    ("invalid-value", ("path: base.keras", "application: VGG16\n  arguments: {‸weights: null}")),
    ("invalid-value", ("path: base.keras", "factory: ‸my_package.layers.make")),
    ("undeclared-import", ("path: base.keras", "factory: ‸other.models:make")),
    # Operations
    ("unknown-operation", ("op: freeze", "op: ‸freze")),
    ("unknown-operation", ("op: unfreeze", "op: ‸melt")),
    ("missing-key", ("op: freeze", "‸optional: true")),
    ("wrong-type", ("  - op: freeze\n    layers: {to: flatten}", "  - ‸freeze")),
    ("missing-key", ("  - op: freeze\n    layers: {to: flatten}", "  - ‸op: freeze")),
    ("unknown-key", ("    layers: {to: flatten}", "    layers: {to: flatten}\n    ‸layer: x")),
    ("wrong-type", ("    layers: {to: flatten}", "    layers: {to: flatten}\n    optional: ‸maybe")),
    ("wrong-type", ("    layers: {to: flatten}", '    layers: {to: flatten}\n    expect: ‸"5"')),
    ("unknown-key", ("{to: flatten}", "{‸too: flatten}")),
    ("wrong-type", ("op: freeze\n    layers: {to: flatten}", "op: rename\n    layers: {a: ‸5}")),
    ("unknown-class", ("Dense:", "‸Dens:")),
    ("unknown-argument", ("units: 10,", "units: 10, ‸unit: 10,")),
    ("missing-key", ("Dense: {units: 10, ", "‸Dense: {")),
    ("wrong-type", ("units: 10", 'units: ‸"10"')),
    ("invalid-value", ("softmax", "‸sofmax")),
    ("invalid-value", ("weights: overlap", "weights: ‸overlp")),
    ("wrong-type", ("operations:\n  - op: replace", "operations:\n  ‸op: replace"), ("\n  - op: freeze", "\n#"),
     ("    layers: predictions", "  layers: predictions"), ("    with:", "  with:"), ("    weights", "  weights"),
     ("    layers: {to", "  #layers: {to")),
    ("undeclared-import", ("Dense: {", "‸other>Head: {")),
    # Training
    ("unknown-key", ("  stages:", "  ‸stage:"), ("training:", STAGE)),
    ("missing-key", ("training:\n", "‸training:\n"), (VALIDATION, ""),
     ("    batch_size: 32\n", ""), ("    train: {npz: digits.npz, x: x_train, y: y_train}\n", ""), ("  data:\n", "")),
    ("unknown-key", ("    train:", "    ‸trian: {npz: digits.npz, x: a, y: b}\n    train:")),
    ("missing-key", ("    train: {npz: digits.npz, x: x_train, y: y_train}", "    ‸train: {npz: digits.npz, x: x_train}")),
    ("unknown-key", ("y: y_train", "y: y_train, ‸z: z_train")),
    ("file-missing", ("digits.npz, x: x_test", "‸digit.npz, x: x_test")),
    ("invalid-value", ("npz: digits.npz, x: x_test", "npz: digits.npz, ‸csv: digits.npz, x: x_test")),
    ("file-missing", ("{npz: digits.npz, x: x_test, y: y_test}", "{image_folder: ‸pictures}")),
    ("file-missing", ("{npz: digits.npz, x: x_test, y: y_test}", "{image_folder: ‸digits.npz}")),
    ("invalid-value", ("{npz: digits.npz, x: x_test, y: y_test}", "{image_folder: photos, image_size: ‸[64]}")),
    ("invalid-value", ("{npz: digits.npz, x: x_test, y: y_test}", "{image_folder: photos, color_mode: ‸gray}")),
    ("wrong-type", ("x: x_train", "x: ‸1")),
    ("invalid-value", ("batch_size: 32", "batch_size: ‸0")),
    ("wrong-type", ("batch_size: 32", "batch_size: ‸32.5")),
    ("invalid-value", ("    batch_size: 32", "    ‸validation_split: 0.2")),
    ("invalid-value", ("device: cpu", "device: ‸gpus")),
    ("invalid-value", ("device: cpu", "precision: ‸float8")),
    ("duplicate-name", ("name: all", "name: ‸head")),
    ("invalid-value", ("epochs: 2", "epochs: ‸0")),
    ("wrong-type", ("epochs: 2", "epochs: ‸two")),
    ("missing-key", ("    - name: all", "    - ‸name: all"), ("      epochs: 2\n", "")),
    ("unknown-key", ("epochs: 2", "epochs: 2\n      ‸epoch: 2")),
    ("unknown-class", ("Adam: {learning_rate: 0.0001}", "‸Adm: {learning_rate: 0.0001}")),
    ("unknown-argument", ("learning_rate: 0.0001", "‸lr: 0.0001")),
    ("unknown-class", ("loss: sparse_categorical_crossentropy", "loss: ‸sparse_categorical_crossentrop")),
    ("unknown-class", ("[accuracy]", "[‸acuracy]")),
    ("wrong-type", ("[accuracy]", "‸accuracy")),
    ("unknown-class", ("EarlyStopping:", "‸EarlyStoping:")),
    ("unknown-argument", ("patience: 3", "‸patient: 3")),
    ("unknown-operation", ("op: unfreeze", "op: ‸unfreze")),
    ("undeclared-import", ("[accuracy]", "[{‸other>Score: {}}]")),
    # Evaluation and outputs
    ("missing-key", ("  - name: the old task\n    data", "  - ‸data")),
    ("wrong-type", ("data: {npz: digits.npz, x: x_old, y: y_old}", "data: ‸digits.npz")),
    ("unknown-key", ("max_drop:", "‸max_drops: {}\n    max_drop:")),
    ("invalid-value", ("0.02", "‸-0.02")),
    ("wrong-type", ("0.02", '‸"2 %"')),
    ("missing-key", (DROP, ""), ("      metrics: [accuracy]\n", ""), ("  - name: the old", "  - ‸name: the old")),
    ("duplicate-name", (DROP, f"{DROP}  - name: ‸the old task\n    data: validation\n")),
    ("missing-key", ("data: {npz: digits.npz, x: x_old, y: y_old}", "data: ‸validation"), (VALIDATION, "")),
    ("invalid-value", ("build/digits.keras", "‸build/digits.h5")),
    ("output-refused", ("build/digits.keras", "‸base.keras")),
    ("output-refused", ("build/digits.keras", "‸./build/../base.keras")),
    ("output-refused", ("build/digits.keras", "‸../digits.keras")),
    ("output-refused", ("build/digits.keras", "‸/digits.keras")),
    # The text
    ("ambiguous-value", ("seed: 7", "seed: ‸007")),
    ("ambiguous-value", ("    layers: {to: flatten}", "    layers: {to: flatten}\n    optional: ‸yes")),
    ("ambiguous-value", ("activation: softmax", "activation: ‸None")),
    ("duplicate-key", ("seed: 7", "seed: 7\n‸seed: 8")),
    ("anchor-refused", ('"conv*"', "‸*conv")),
    ("tag-refused", ("seed: 7", "seed: ‸!!int 7")),
    ("merge-key-refused", ("  device: cpu", "  ‸<<: {device: cpu}")),
    ("syntax-invalid", ('layers: "conv*"', 'layers: ‸"conv*')),
    ("syntax-invalid", ("    layers: predictions", "   ‸layers: predictions")),
]  # fmt: skip


@pytest.mark.parametrize("case", BROKEN, ids=[f"{case[0]}-{index}" for index, case in enumerate(BROKEN)])
def test_one_error_at_its_place(case: tuple[str, *tuple[Change, ...]], tmp_path: Path) -> None:
    code, *changes = case
    text, line, column = broken(*changes)
    path = write(tmp_path, text)

    with pytest.raises(SurgeryError) as caught:
        load_recipe(path)

    found = [(e.code(), e.location.line, e.location.column) for e in flatten(caught.value) if e.location]
    assert found == [(code, line, column)], str(caught.value)
    assert caught.value.exit_status == 1
    for error in flatten(caught.value):
        assert error.location is not None
        assert error.location.text == text.split("\n")[line - 1]
        assert error.expected or error.fix
        for word in ("pydantic", "Input should", "Traceback", "strict", "tuple", "function-", "NoneType"):
            assert word not in str(error)
