"""What moves a result is a fact: classes without an image, code outside Keras, the configuration of Keras."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from surgery import api
from surgery.cli.main import run
from surgery.planning import stack
from surgery.planning.facts import input_facts, path_digest
from surgery.recipe import load_recipe
from tests.recipes_text import write_recipe

IMAGES = """
operations:
  - {op: freeze, layers: conv1}
training:
  data: {train: {image_folder: photos, color_mode: grayscale}}
  stages:
    - name: head
      epochs: 1
      optimizer: {SGD: {learning_rate: 0.1}}
      loss: sparse_categorical_crossentropy
"""
FACTORY = """
imports: [IMPORTED]
operations:
  - {op: freeze, layers: conv1}
training:
  data: {train: {factory: "FACTORY:batches"}}
  stages:
    - name: head
      epochs: 1
      optimizer: {SGD: {learning_rate: 0.1}}
      loss: sparse_categorical_crossentropy
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("cats", "dogs"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + name.encode())
    return tmp_path / "photos"


def facts(recipe: Path, *, restricted: bool = False) -> dict[str, str]:
    return input_facts(api.plan(load_recipe(recipe, restricted=restricted)))


def moved(recipe: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The facts that drifted, by name and change."""
    capsys.readouterr()
    status = run(["lock", str(recipe), "--check"])
    said = capsys.readouterr().err
    lines = [line.partition("error[lock-drift]: ")[2] for line in said.splitlines() if "error[" in line]
    assert status == (4 if lines else 0), said
    return lines


def test_a_class_without_an_image_moves_the_others(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, IMAGES)
    assert run(["lock", str(recipe)]) == 0
    assert facts(recipe)["data classes photos"] == "cats, dogs"
    assert facts(recipe)["version pillow"] == stack.version_of("pillow")
    (photos / "birds").mkdir()
    assert [line.partition(":")[0] for line in moved(recipe, capsys)] == [
        "data classes photos",
        "data image_folder photos",
    ]
    (photos / "birds").rename(photos / "dogs/birds")
    assert [line.partition(":")[0] for line in moved(recipe, capsys)] == ["data image_folder photos"]
    (photos / "dogs/birds").rmdir()
    (photos / ".cache").mkdir()
    assert not any("classes" in line for line in moved(recipe, capsys))


def test_many_classes_are_a_digest(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, IMAGES)
    for odd in ("a, b", "x" * 200):
        (photos / odd).mkdir()
        assert facts(recipe)["data classes photos"].startswith("sha256:")
        (photos / odd).rmdir()


def test_a_folder_with_files_alone_has_the_digest_that_it_always_had(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(b"1")
    (tmp_path / "d").write_bytes(b"2")
    assert path_digest(tmp_path) == "2aaa74f5673f10066eb7b24cf63bc3c1100fcb8dd9c0ba03bf7c8e4ed5b5ee33"


def test_a_name_cannot_pass_for_another_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "a").write_bytes(b"1")
        (folder / "b").write_bytes(b"2")
    second = path_digest(one)
    (other / "b").unlink()
    import hashlib

    (other / "a").rename(other / f"a\n{hashlib.sha256(b'2').hexdigest()}  b")
    assert path_digest(other) != second


def test_images_behind_a_link_count(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, IMAGES)
    (photos / "dogs").rename(tmp_path / "elsewhere")
    (photos / "dogs").symlink_to(tmp_path / "elsewhere")
    before = facts(recipe)["data image_folder photos"]
    (tmp_path / "elsewhere/1.png").write_bytes(b"\x89PNG\r\n\x1a\nother")
    assert facts(recipe)["data image_folder photos"] != before


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose import would be noticed."""
    place = tmp_path / "site"
    (place / "house_batches/tables").mkdir(parents=True)
    (place / "house_batches/__init__.py").write_text("raise SystemExit('imported')\n")
    (place / "house_batches/data.py").write_text("from house_batches.more import scale\n")
    (place / "house_batches/more.py").write_text("scale = 1\n")
    (place / "house_batches/tables/means.json").write_text("[1]")
    monkeypatch.syspath_prepend(place)
    return place / "house_batches"


def factory(tmp_path: Path, module: str = "house_batches.data", imported: str | None = None) -> Path:
    return write_recipe(tmp_path, FACTORY.replace("FACTORY", module).replace("IMPORTED", imported or module))


@pytest.mark.parametrize("file", ["__init__.py", "data.py", "more.py", "tables/means.json"])
def test_code_that_changes_drifts(file: str, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = factory(tmp_path)
    assert run(["lock", str(recipe)]) == 0
    assert moved(recipe, capsys) == []
    (package / file).write_text("scale = 2\n")
    (line,) = moved(recipe, capsys)
    assert line.startswith("code house_batches.data: was sha256:")
    assert "house_batches" not in sys.modules


@pytest.mark.parametrize("file", ["new.py", "tables/new.csv", "deep/er/new.py"])
def test_code_that_is_added_drifts(
    file: str, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = factory(tmp_path)
    run(["lock", str(recipe)])
    (package / file).parent.mkdir(parents=True, exist_ok=True)
    (package / file).write_text("")
    assert len(moved(recipe, capsys)) == 1


def test_what_is_no_code_does_not_drift(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = factory(tmp_path)
    run(["lock", str(recipe)])
    for name, text in (
        ("__pycache__/data.cpython-311.pyc", "x"),
        ("runs/test/0001/run.json", "{}"),
        (".git/config.txt", "x"),
        ("recipe.yaml", "# mine\nsurgery: 1\n"),
        ("test.lock", "x"),
        ("out.keras", "x"),
    ):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    assert moved(recipe, capsys) == []


def test_a_module_and_a_namespace_are_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site/outer/inner").mkdir(parents=True)
    for name in ("alone.py", "outer/inner/deep.py", "outer/inner/beside.py"):
        (tmp_path / "site" / name).write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    for module, file in (
        ("alone", "alone.py"),
        ("outer.inner.deep", "outer/inner/deep.py"),
        ("alone.make", "alone.py"),
    ):
        recipe = factory(tmp_path, module)
        before = facts(recipe)[f"code {module}"]
        assert before.startswith("sha256:")
        (tmp_path / "site" / file).write_text(f"x = {module!r}\n")
        assert facts(recipe)[f"code {module}"] not in (before, "not found")
    for module in ("outer.inner.deep", "outer.inner", "outer"):
        recipe = factory(tmp_path, module)
        before = facts(recipe)[f"code {module}"]
        (tmp_path / "site/outer/inner/beside.py").write_text(f"x = {module!r}\n")
        assert facts(recipe)[f"code {module}"] not in (before, "not found")
    assert facts(factory(tmp_path, "no_such_house"))["code no_such_house"] == "not found"
    assert facts(factory(tmp_path, "sys"))["code sys"] == "part of Python"


@pytest.mark.keras
def test_a_custom_class_is_named_and_its_code_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    (tmp_path / "site/house_gates").mkdir(parents=True)
    (tmp_path / "site/house_gates/__init__.py").write_text("")
    (tmp_path / "site/house_gates/layers.py").write_text(
        "import keras\nclass Gate(keras.layers.Layer):\n    def call(self, x):\n        return 2 * x\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    import house_gates.layers

    layers = [keras.Input((4,)), house_gates.layers.Gate(name="gate"), keras.layers.Dense(2, name="head")]
    keras.Sequential(layers).save(tmp_path / "model.keras")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "surgery: 1\nname: test\nimports: [house_gates.layers]\nmodel: {path: model.keras}\n"
        "operations:\n  - {op: freeze, layers: head}\n"
    )
    trust = ["--trust", "house_gates"]
    assert run(["lock", str(recipe), *trust]) == 0
    text = (tmp_path / "test.lock").read_text()
    (named,) = [line for line in text.splitlines() if line.startswith('"custom class ')]
    assert "Gate" in named
    assert 'house_gates.layers"' in named
    assert '"code house_gates.layers" = "sha256:' in text
    assert run(["lock", str(recipe), "--check", "--trust", "house_gates.layers"]) == 0
    with (tmp_path / "site/house_gates/layers.py").open("a") as file:
        file.write("# another scale\n")
    capsys.readouterr()
    assert run(["lock", str(recipe), "--check", *trust]) == 4
    assert capsys.readouterr().err.count("error[lock-drift]: code house_gates.layers: was sha256:") == 1


def test_restricted_compares_what_it_finds_and_says_what_it_does_not(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    factory(tmp_path)
    run(["lock", "recipe.yaml"])
    check = ["lock", "recipe.yaml", "--check", "--restricted"]
    assert run(check) == 0
    assert "unchecked" not in capsys.readouterr().out
    (package / "more.py").write_text("scale = 2\n")
    assert run(check) == 4
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(package.parent)])
    capsys.readouterr()
    assert run(check) == 0
    assert "Note: code house_batches.data is unchecked" in capsys.readouterr().out
    assert run(["lock", "recipe.yaml", "--check"]) == 4
    assert "code house_batches.data: was sha256:" in capsys.readouterr().err


def test_a_lock_of_the_format_before_says_what_is_new(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = factory(tmp_path)
    run(["lock", str(recipe)])
    lock = tmp_path / "test.lock"
    old = [line for line in lock.read_text().replace("lock 2:", "lock 1:").splitlines() if "code " not in line]
    lock.write_text("\n".join(old) + "\n")
    capsys.readouterr()
    assert run(["lock", str(recipe), "--check"]) == 4
    said = capsys.readouterr().err
    assert said.count("error[") == 1
    assert "code house_batches.data is new: sha256:" in said
    assert "(a lock of format 1 does not have it)" in said
    assert "expected: a lock of format 2; all that this one of format 1 has still holds" in said
    assert "fix:      write the lock anew, with the facts that are new: surgery lock RECIPE" in said
    assert run(["lock", str(recipe)]) == 0
    assert run(["lock", str(recipe), "--check"]) == 0


def test_a_lock_of_the_format_before_holds_where_nothing_is_new(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, "operations:\n  - {op: freeze, layers: conv1}\n")
    run(["lock", str(recipe)])
    lock = tmp_path / "test.lock"
    lock.write_text(lock.read_text().replace("lock 2:", "lock 1:"))
    assert run(["lock", str(recipe), "--check"]) == 0


def test_a_lock_of_a_format_to_come_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, "operations:\n  - {op: freeze, layers: conv1}\n")
    run(["lock", str(recipe)])
    lock = tmp_path / "test.lock"
    lock.write_text(lock.read_text().replace("lock 2:", "lock 3:"))
    assert run(["lock", str(recipe), "--check"]) == 1
    assert "its format 3 is newer than this surgery, which knows 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value", "fact"),
    [
        ("floatx", "float16", "float16"),
        ("epsilon", 0.001, "0.001"),
        ("image_data_format", "channels_first", "channels_first"),
    ],
)
def test_the_configuration_of_keras_is_a_fact(
    key: str, value: object, fact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe(tmp_path, "operations:\n  - {op: freeze, layers: conv1}\n")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    (tmp_path / "keras.json").write_text(json.dumps({"floatx": "float32", "epsilon": 1e-7}))
    assert not any(name.startswith("backend ") for name in facts(recipe))
    (tmp_path / "keras.json").write_text(json.dumps({key: value}))
    assert facts(recipe)[f"backend {key}"] == fact
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    assert facts(recipe)["backend max_epochs"] == "1"
