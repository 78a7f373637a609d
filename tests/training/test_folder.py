from __future__ import annotations

import json
from pathlib import Path

import pytest

from surgery.errors import RunFailed
from surgery.training.folder import json_text, new_folder, write_whole

pytestmark = pytest.mark.keras


def test_folders_are_numbered_and_never_used_twice(tmp_path: Path) -> None:
    (tmp_path / "runs/digits/0007").mkdir(parents=True)
    (tmp_path / "runs/digits/notes.txt").write_text("mine")
    assert [new_folder(tmp_path / "runs" / "digits").name for _ in range(2)] == ["0008", "0009"]


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(RunFailed, match="no run folder can be made"):
        new_folder(tmp_path / "runs" / "digits")


def test_a_text_is_there_as_a_whole_and_nothing_else(tmp_path: Path) -> None:
    write_whole(tmp_path / "run.json", "old")
    write_whole(tmp_path / "run.json", "new\n")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert (tmp_path / "run.json").read_text() == "new\n"


def test_json_has_null_for_what_is_no_number() -> None:
    assert json.loads(json_text({"a": [float("nan"), 1.5], 3: float("inf")})) == {"a": [None, 1.5], "3": None}
