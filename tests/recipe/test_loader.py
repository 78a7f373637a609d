"""A good recipe as a value, and all errors of a bad one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from surgery.errors import Errors, SurgeryError, flatten
from surgery.operations import registry
from surgery.recipe import load_recipe
from surgery.recipe.data import NpzData
from surgery.recipe.source import FileModel
from tests.recipe.recipes import GOOD, write


def test_every_value_arrives(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, GOOD))

    assert (recipe.name, recipe.seed, recipe.imports) == ("digits-0-to-9", 7, ("my_package.layers",))
    assert recipe.model == FileModel(path="base.keras")
    assert [operation.op for operation in recipe.operations] == ["replace", "freeze"]
    assert recipe.training is not None
    assert recipe.training.data.train == NpzData(npz="digits.npz", x="x_train", y="y_train")
    head, everything = recipe.training.stages
    assert (head.epochs, head.optimizer.class_name, head.optimizer.config) == (8, "Adam", {"learning_rate": 0.001})
    assert [operation.op for operation in everything.operations] == ["unfreeze"]
    assert everything.callbacks[0].config == {"patience": 3}
    assert recipe.evaluation[0].max_drop == {"accuracy": 0.02}
    assert recipe.outputs.model == "build/digits.keras"
    assert recipe.warnings == ()


def test_paths_start_from_the_folder_of_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path.parent)
    path = Path(tmp_path.name) / "recipe.yaml"

    recipe = load_recipe(path)

    assert (recipe.path, recipe.folder) == (path, tmp_path.resolve())
    assert recipe.resolve("base.keras") == tmp_path.resolve() / "base.keras"
    assert str(recipe.location("seed")) == f"{path}:4:7"


def test_a_recipe_needs_little(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, "surgery: 1\nmodel: {path: base.keras}\n", "my recipe.yaml"))

    assert (recipe.name, recipe.seed, recipe.operations, recipe.training) == ("my-recipe", 0, (), None)
    assert recipe.outputs.model is None


@pytest.mark.parametrize(
    ("keys", "mark", "line", "column", "width"),
    [
        (("seed",), "value", 4, 7, 1),
        (("seed",), "key", 4, 1, 4),
        (("operations", 0), "value", 15, 5, 2),
        (("operations", 0, "layers"), "value", 16, 13, 11),
        (("operations", 0, "with", 0, "Dense"), "key", 18, 9, 5),
        (("operations", 0, "with", 0, "Dense"), "value", 18, 16, 46),
        (("operations", 1, "layers", "to"), "value", 21, 18, 7),
        (("training", "stages"), "key", 28, 3, 6),
        (("training", "stages", 1, "operations", 0, "layers"), "value", 36, 34, 7),
        (("training", "stages", 1, "nowhere"), "value", 34, 7, 4),
    ],
)
def test_every_key_and_value_has_a_place(
    tmp_path: Path, keys: tuple[str | int, ...], mark: str, line: int, column: int, width: int
) -> None:
    place = load_recipe(write(tmp_path, GOOD)).location(*keys, mark=mark)  # type: ignore[arg-type]

    assert (place.line, place.column, place.width) == (line, column, width)
    assert place.text == GOOD.split("\n")[line - 1]


def test_all_errors_of_a_file_in_the_order_of_its_lines(tmp_path: Path) -> None:
    text = (
        GOOD.replace("seed: 7", "sed: 7")
        .replace("base.keras", "bas.keras")
        .replace("op: freeze", "op: freze")
        .replace("units: 10", "unit: 10")
        .replace("batch_size: 32", "batch_size: yes")
        .replace("${epochs}", "${epoch}")
        .replace("name: all", "name: head")
        .replace("[accuracy]", "[acuracy]")
        .replace("device: cpu", "device: tpu")
        .replace("build/digits.keras", "../digits.keras")
    )

    with pytest.raises(Errors) as caught:
        load_recipe(write(tmp_path, text))

    assert [(error.code(), error.location.line) for error in caught.value.errors if error.location] == [
        ("unknown-key", 4),
        ("file-missing", 12),
        ("missing-key", 18),
        ("unknown-argument", 18),
        ("unknown-operation", 20),
        ("ambiguous-value", 27),
        ("unknown-parameter", 30),
        ("unknown-class", 33),
        ("duplicate-name", 34),
        ("invalid-value", 42),
        ("output-refused", 50),
    ]


def test_an_error_reads_like_this(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, GOOD.replace("op: freeze", "op: freze").replace("epochs: 2", 'epochs: "2"'))

    with pytest.raises(SurgeryError) as caught:
        load_recipe("recipe.yaml")

    assert (
        str(caught.value)
        == f"""\
recipe.yaml:20:9: error[unknown-operation]: there is no operation 'freze'
   |
20 |   - op: freze
   |         ^^^^^
  expected: one of {", ".join(registry())}
  fix:      did you mean 'freeze'?

recipe.yaml:37:15: error[wrong-type]: training.stages[1].epochs: '2' is not a whole number
   |
37 |       epochs: "2"
   |               ^^^
  expected: a whole number
  fix:      take the quotes away: 2"""
    )


@pytest.mark.parametrize("text", ["5", "- a", "just text", "null", "[]", "{}"])
def test_what_is_no_recipe_at_all(tmp_path: Path, text: str) -> None:
    with pytest.raises(SurgeryError) as caught:
        load_recipe(write(tmp_path, text))
    assert all(error.location and error.location.line == 1 for error in flatten(caught.value))


def test_an_absent_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(SurgeryError) as caught:
        load_recipe(tmp_path / "recip.yaml")
    assert caught.value.code() == "file-missing"
    assert caught.value.fix == "did you mean 'recipe.yaml'?"


def test_the_output_may_lie_anywhere_in_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "recipes"
    folder.mkdir()
    text = GOOD.replace("build/digits.keras", "../build/digits.keras")

    assert load_recipe(write(folder, text)).outputs.model == "../build/digits.keras"


def test_loading_leaves_the_heavy_packages_alone(tmp_path: Path) -> None:
    code = (
        "import sys, surgery.recipe; surgery.recipe.load_recipe(sys.argv[1]); "
        "print([m for m in ('h5py', 'jsonschema', 'keras', 'tensorflow', 'numpy') if m in sys.modules])"
    )
    path = write(tmp_path, GOOD)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
