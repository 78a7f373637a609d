"""The chain of surgeries that a model carries with it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from surgery import api
from surgery.cli.main import run
from surgery.errors import ModelInvalid, SurgeryError
from surgery.model.archive import read_member, write_archive
from surgery.planning.history import MEMBER, read_history
from surgery.recipe import load_recipe
from tests.networks import classifier, values_of, write_network
from tests.recipes_text import write_recipe


def test_each_surgery_is_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, "operations:\n  - {op: freeze, layers: conv1}\n")
    api.apply_to_file(api.plan(load_recipe(recipe)), tmp_path / "once.keras")
    text = recipe.read_text().replace("model.keras", "once.keras").replace("conv1", "conv2").replace("test", "again")
    (tmp_path / "again.yaml").write_text(text)
    api.apply_to_file(api.plan(load_recipe(tmp_path / "again.yaml")), tmp_path / "twice.keras")
    history = read_history(tmp_path / "twice.keras")
    assert [one["recipe"]["name"] for one in history["surgeries"]] == ["test", "again"]
    assert history["surgeries"][1]["recipe"]["text"] == text
    assert history["surgeries"][0]["plan"] == api.plan(load_recipe(recipe)).to_json()
    assert run(["inspect", "--history", str(tmp_path / "twice.keras")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line[:1].isdigit()] == ["1. test, from model.keras", "2. again, from once.keras"]
    assert "     freeze: conv2" in lines


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        recipe = write_recipe(folder, "operations:\n  - {op: freeze, layers: conv1}\n")
        api.apply_to_file(api.plan(load_recipe(recipe)), folder / "new.keras")
        written.append((folder / "new.keras").read_bytes())
    assert written[0] == written[1]
    assert str(tmp_path).encode() not in written[0]


def test_a_model_without_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_network(tmp_path / "model.keras", classifier())
    assert run(["inspect", "--history", str(tmp_path / "model.keras")]) == 0
    assert capsys.readouterr().out.startswith("No history")
    assert run(["inspect", "--history", "--json", str(tmp_path / "model.keras")]) == 0
    assert json.loads(capsys.readouterr().out)["surgeries"] == []


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[" * 100_000, b'{"format": "surgery-history-1"}', b'{"surgeries": [1]}', b"\xff", b"9" * 5_000],
)
def test_a_damaged_history_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.keras"
    write_archive(path, classifier(), values_of(classifier()), extra_members={MEMBER: data})
    with pytest.raises(ModelInvalid, match=r"the history in model[.]keras cannot be read"):
        read_history(path)


def test_members_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    write_archive(path, classifier(), values_of(classifier()), extra_members={MEMBER: b"12345"})
    assert read_member(path, MEMBER, 5) == b"12345"
    with pytest.raises(SurgeryError, match="larger than 4 bytes"):
        read_member(path, MEMBER, 4)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    assert read_member(tmp_path / "folder", MEMBER, 5) == b"12345"
    assert read_member(tmp_path / "folder", "surgery/other", 5) is None
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert read_member(tmp_path / "model.h5", MEMBER, 5) is None
