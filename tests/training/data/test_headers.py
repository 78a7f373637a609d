"""What the beginnings of files tell of data is said in the plan, without Keras, as a run would say it minutes later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import surgery
from surgery.cli.main import run
from surgery.errors import SurgeryError, flatten
from tests.networks import network, write_network

RECIPE = """\
surgery: 1
name: headers
model: {path: base.keras}
operations: []
training:
  data:
    train: DATA
  stages:
    - {name: all, epochs: 1, optimizer: SGD, loss: sparse_categorical_crossentropy}
outputs: {model: out.keras}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    head = {"Dense": {"units": 3, "activation": "softmax", "name": "head"}}
    write_network(tmp_path / "base.keras", network({"Flatten": {"name": "flat"}}, head, shape=(2,)))
    write_network(tmp_path / "photos.keras", network({"Flatten": {"name": "flat"}}, head, shape=(8, 8, 3)))
    return tmp_path


def errors(data: str, model: str = "base.keras", more: str = "") -> list[SurgeryError]:
    Path("recipe.yaml").write_text(RECIPE.replace("DATA", data).replace("base.keras", model) + more)
    try:
        surgery.plan(surgery.load_recipe("recipe.yaml"))
    except SurgeryError as error:
        return flatten(error)
    return []


@pytest.mark.parametrize(
    ("text", "source", "what", "fix"),
    [
        ("a,b,kind\n1,2,x\n", "target: kinds", "has no column 'kinds'", "did you mean 'kind'?"),
        ("a,b,kind\n1,2,x\n", "target: kind, features: [a, bb]", "has no column 'bb'", "did you mean 'b'?"),
        (
            "a,b,name,kind\n1,2,Bob,x\n",
            "target: kind",
            "line 2: 'Bob' in column 'name' is no number",
            "features: [a, b]",
        ),
        ("a,b,kind\n1,2,x\n1,,x\n", "target: kind", "line 3: column 'b' is empty", None),
        ("a,b,kind\n1,2,x\n1,2\n", "target: kind", "line 3: 2 cells, and 3 columns", None),
        ("a,b,c,kind\n1,2,3,x\n", "target: kind", "has the shape (3,), and the model takes (2,)", None),
        ("a,b,kind\n", "target: kind", "has no rows", None),
    ],
)
def test_csv(folder: Path, text: str, source: str, what: str, fix: str | None) -> None:
    Path("a.csv").write_text(text)
    (error,) = errors(f"{{csv: a.csv, {source}}}")
    assert what in error.what
    assert fix is None or error.fix == fix
    assert error.location is not None
    assert error.location.line == 7


@pytest.mark.parametrize("text", ["a,b,kind\n1,2,x\n", '\ufeffa,b,kind\n1,"2",x', "a,b,kind\r\n1,2,x\r\n\r\n1,2,y\r\n"])
def test_csv_that_is_fine(folder: Path, text: str) -> None:
    Path("a.csv").write_bytes(text.encode())
    assert errors("{csv: a.csv, target: kind}") == []
    Path("a.csv").write_bytes((text.rstrip() + "\n" + "1,2,x\n" * 200_000).encode())
    assert errors("{csv: a.csv, target: kind}") == []


def test_bytes_that_are_no_text(folder: Path) -> None:
    Path("a.csv").write_bytes(b"\xff\xfe\x00\x01" * 9)
    assert "is no CSV file" in errors("{csv: a.csv, target: kind}")[0].what


ARRAYS: dict[str, Any] = {
    "x": np.zeros((4, 2)),
    "y": np.zeros(4, "int64"),
    "wide": np.zeros((4, 5)),
    "flat": np.zeros((2, 2, 1)),
    "short": np.zeros((3, 2)),
    "words": np.array([["a", "b"]] * 4),
    "one": np.array(3.0),
    "objects": np.array([{}] * 4, dtype=object),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("x: xx, y: y", "has no array 'xx'"),
        ("x: x, y: z", "has no array 'z'"),
        ("x: x, y: y, sample_weight: w", "has no array 'w'"),
        ("x: wide, y: y", "'wide' has the shape (5,), and the model takes (2,)"),
        ("x: short, y: y", "differ in length: short 3, y 4"),
        ("x: words, y: y", "'words' holds text"),
        ("x: one, y: y", "'one' is a single number"),
        ("x: objects, y: y", "never unpickled"),
        ("x: {pixels: x}, y: y", "the model has no 'pixels'"),
        ("x: x, y: {heads: y}", "the model has no output 'heads'"),
    ],
)
def test_npz(folder: Path, save: Any, source: str, what: str) -> None:
    save("a.npz", **ARRAYS)
    found = errors(f"{{npz: a.npz, {source}}}")
    assert len(found) == 1
    assert what in found[0].what
    assert found[0].location is not None


def test_npz_that_is_none_or_fine(folder: Path) -> None:
    np.savez("a.npz", **ARRAYS)
    assert errors("{npz: a.npz, x: x, y: y}") == []
    old = "evaluation: [{name: old, data: {npz: a.npz, x: wide, y: y}, metrics: [accuracy]}]\n"
    assert [error.location.line for error in errors("{npz: a.npz, x: x, y: y}", more=old) if error.location] == [11]
    Path("a.npz").write_bytes(b"no zip")
    assert "is no .npz file" in errors("{npz: a.npz, x: x, y: y}")[0].what


@pytest.fixture
def photos(folder: Path) -> Path:
    for name in ("day", "night"):
        (folder / "photos" / name).mkdir(parents=True)
        for form in ("png", "jpg", "bmp", "gif"):
            Image.new("RGB", (6, 4)).save(folder / f"photos/{name}/a.{form}")
    Image.new("RGB", (6, 4)).save(folder / "photos/day/odd.png", format="WEBP")
    return folder


@pytest.mark.parametrize("damage", [b"", b"<html>not found</html>"])
def test_files_that_are_no_images(photos: Path, damage: bytes) -> None:
    assert errors("{image_folder: photos}", "photos.keras") == []
    (photos / "photos/night/b.jpg").write_bytes(damage)
    (error,) = errors("{image_folder: photos}", "photos.keras")
    assert "night/b.jpg is no image" in error.what


def test_what_is_only_a_place_for_data_is_not_looked_at(photos: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    (photos / "photos/night/b.jpg").write_bytes(pointer)
    assert errors("{image_folder: photos}", "photos.keras") == []
    for content in (b"", pointer):
        for source in ("{npz: data.npz, x: x, y: y}", "{csv: data.csv, target: kind}"):
            Path("data.npz").write_bytes(content)
            Path("data.csv").write_bytes(content)
            assert errors(source) == []


def test_folders_that_do_not_fit(photos: Path) -> None:
    assert "gives no height and width" in errors("{image_folder: photos}")[0].what
    (error,) = errors("{image_folder: photos, color_mode: grayscale}", "photos.keras")
    assert error.fix == "color_mode: rgb"
    (photos / "photos/dawn").mkdir()
    (photos / "photos/dusk").mkdir()
    assert "photos has 4 classes, and 'head' has 3 units" in errors("{image_folder: photos}", "photos.keras")[0].what
    (photos / "photos/dawn").rmdir()
    (photos / "photos/dusk").rmdir()
    assert "'dusk'" in errors("{image_folder: photos, class_names: [day, dusk]}", "photos.keras")[0].what
    assert "holds no images" in errors("{image_folder: photos/day}", "photos.keras")[0].what


def test_the_plan_says_it_and_apply_does_not_need_the_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.csv").write_text("a,b,kind\n1,two,x\n")
    errors("{csv: a.csv, target: kind}")
    assert run(["plan", "recipe.yaml"]) == 1
    assert "recipe.yaml:7:" in capsys.readouterr().err
    assert run(["apply", "recipe.yaml", "-o", "out.keras"]) == 0


def test_nothing_of_it_imports_keras(photos: Path) -> None:
    np.savez("a.npz", **ARRAYS)
    Path("a.csv").write_text("a,b,kind\n1,2,x\n")
    more = "evaluation:\n  - {name: a, data: {npz: a.npz, x: x, y: y}, metrics: [mae]}\n"
    errors("{csv: a.csv, target: kind}", more=more)
    program = (
        "import sys; from surgery.cli.main import run\n"
        "assert run(['plan', 'recipe.yaml']) == 0\n"
        "sys.exit(len({'keras', 'tensorflow', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
