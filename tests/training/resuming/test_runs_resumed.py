"""Whole runs that are interrupted and resumed, and stages that are not done again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import surgery
from surgery.errors import (
    CheckpointForeign,
    CheckpointInvalid,
    CheckpointStale,
    Errors,
    RunFailed,
    SurgeryError,
    Terminated,
)
from surgery.training.progress import Quiet
from surgery.training.result import RunResult
from surgery.training.resuming.checkpoint import NAME
from surgery.training.run import run
from tests.training import small
from tests.training.resuming.interrupting import At, obeying

pytestmark = pytest.mark.keras

RECIPE = """\
surgery: 1
name: small
seed: 7
model: {path: base.keras}
operations:
  - {op: freeze, layers: {to: norm}}
training:
  data:
    train: {npz: data.npz, x: x, y: y}
    validation_split: 0.25
    batch_size: 16
  stages:
    - name: head
      epochs: 2
      optimizer: {Adam: {learning_rate: 0.01}}
      loss: sparse_categorical_crossentropy
      metrics: [accuracy]
    - name: all
      operations: [{op: unfreeze, layers: {to: norm}}]
      epochs: 2
      optimizer: {Adam: {learning_rate: 0.001}}
      loss: sparse_categorical_crossentropy
      metrics: [accuracy]
evaluation:
  - {name: validation, data: validation}
outputs: {model: build/small.keras}
"""


FILES = ("base.keras", "data.npz", "recipe.yaml")


class Said(At):
    """Keeps what is said, and perhaps sends a signal."""

    def __init__(self, *when: Any) -> None:
        super().__init__(*(when or ("", 0, 0)))
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, data, and a recipe."""
    folder = tmp_path_factory.mktemp("base")
    small.model().save(folder / "base.keras")
    data = small.examples(96)
    np.savez(folder / "data.npz", x=data.x[0], y=data.y[0])
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def whole(base: Path) -> RunResult:
    """The run that nothing interrupts, and that computes the whole network in every step."""
    return carried_out(base, cache=False)


@pytest.fixture(scope="module")
def cached(base: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The same on features of the frozen layers; on some CPUs these are only near to what the whole network computes."""
    folder = tmp_path_factory.mktemp("cached")
    for name in FILES:
        shutil.copy(base / name, folder)
    return carried_out(folder)


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copy(base / name, tmp_path)
    return tmp_path


def carried_out(folder: Path, said: Said | None = None, **options: Any) -> RunResult:
    plan = surgery.plan(surgery.load_recipe(folder / "recipe.yaml"))
    with obeying():
        return run(plan, progress=said or Quiet(), **options)


def interrupted(folder: Path, *when: Any, **options: Any) -> Terminated:
    with pytest.raises(Terminated) as caught:
        carried_out(folder, Said(*when), **options)
    return caught.value


def plain(document: dict[str, Any]) -> Any:
    """What of a run's record no clock and no place decides."""
    stages = [
        {name: value for name, value in stage.items() if name not in ("seconds", "frozen_prefix", "features", "reused")}
        | {"epochs": [{**epoch, "seconds": 0} for epoch in stage["epochs"]]}
        for stage in document["stages"]
    ]
    return document["status"], stages, document["evaluation"], document["plan"], document["digests"]


def test_a_resumed_run_is_the_uninterrupted_one(folder: Path, whole: RunResult) -> None:
    error = interrupted(folder, "all", 1, 2, cache=False)
    place = folder / "build/runs/small/0001"
    assert error.fix == f"surgery run {folder / 'recipe.yaml'} --resume"
    assert (place / "last-good.keras").exists()
    said = Said()
    result = carried_out(folder, said, resume=True, cache=False)
    assert said.lines == [f"resumed in {place} at stage 'all', epoch 1, step 2"]
    assert result.folder == place
    assert result.model.read_bytes() == whole.model.read_bytes()
    assert plain(result.document) == plain(whole.document)
    assert [one["from"] for one in result.document["resumed"]] == ["stage 'all', epoch 1, step 2"]
    assert "resumed: " in (place / "report.md").read_text()
    assert sorted(path.name for path in place.iterdir()) == ["curves.svg", "report.html", "report.md", "run.json"]


def test_where_nothing_was_interrupted_it_starts_from_the_beginning(folder: Path) -> None:
    said = Said("head", 1, 1)
    with pytest.raises(Terminated):
        carried_out(folder, said, resume=True)
    assert said.lines == [f"nothing to resume in {folder / 'build/runs/small'}: it starts from the beginning"]
    said = Said("head", 1, 1)
    with pytest.raises(Terminated):
        carried_out(folder, said)
    (line,) = said.lines
    assert line.startswith(f"{folder / 'build/runs/small/0001'} was interrupted; to go on with it: surgery run ")


def lines_of(error: SurgeryError) -> list[str]:
    return [one.what for one in (error.errors if isinstance(error, Errors) else [error])]


def test_what_moved_is_named_with_its_fix(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(folder, "head", 1, 3)
    kept = (folder / "build/runs/small/0001" / NAME).read_bytes()
    data = np.load(folder / "data.npz")
    np.savez(folder / "data.npz", x=data["x"] + 1, y=data["y"])
    small.model(features=8).save(folder / "base.keras")
    (folder / "recipe.yaml").write_text(RECIPE.replace("learning_rate: 0.001", "learning_rate: 0.002"))
    monkeypatch.setattr("surgery.planning.facts.versions", lambda _: {"keras": "9.9"})
    with pytest.raises(Errors) as caught:
        carried_out(folder, resume=True, cache=False)
    found = {one.what.partition(":")[0]: one for one in caught.value.errors}
    assert {type(one) for one in caught.value.errors} == {CheckpointStale}
    assert "data npz data.npz" in found
    assert found["recipe training stages 2 all"].fix == "put that part of the recipe back"
    assert str(found["version keras"].fix).startswith("pip install 'keras==3.")
    assert found["cache"].fix == "--cache"
    assert "start from the beginning: surgery run " in str(caught.value)
    assert (folder / "build/runs/small/0001" / NAME).read_bytes() == kept


def test_another_source_is_named(folder: Path) -> None:
    interrupted(folder, "head", 1, 3)
    other = keras.models.load_model(folder / "base.keras")
    other.get_layer("head").kernel.assign(other.get_layer("head").kernel + 1)
    other.save(folder / "base.keras")
    with pytest.raises(CheckpointStale, match="model variable head vars/0 kernel") as caught:
        carried_out(folder, resume=True)
    assert "put the model back as it was" in str(caught.value.fix)


def test_a_damaged_checkpoint_is_refused(folder: Path) -> None:
    interrupted(folder, "head", 1, 3)
    place = folder / "build/runs/small/0001" / NAME
    data = place.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 4
    for content in (data[: len(data) // 2], flipped, b"", (folder / "data.npz").read_bytes()):
        place.write_bytes(content)
        with pytest.raises(CheckpointInvalid) as caught:
            carried_out(folder, resume=True)
        assert "rm " in str(caught.value.fix)


def test_a_checkpoint_that_came_with_a_checkout_is_not_used(
    folder: Path, whole: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
    interrupted(folder, "head", 1, 3, cache=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "ours"))
    with pytest.raises(CheckpointForeign) as caught:
        carried_out(folder, resume=True)
    text = str(caught.value)
    assert "0001/checkpoint:1:1: error[checkpoint-foreign]" in text
    assert f"fix:      start from the beginning: surgery run {folder / 'recipe.yaml'}" in text
    assert not text.endswith("--resume")
    said = Said()
    result = carried_out(folder, said, cache=False)
    assert [line for line in said.lines if "checkpoint" in line] == [
        f"{folder / 'build/runs/small/0001'} has a checkpoint from elsewhere, without your seal: it is not used"
    ]
    assert not any("--resume" in line for line in said.lines)
    assert result.model.read_bytes() == whole.model.read_bytes()


def test_ones_own_checkpoint_is_found_behind_a_foreign_one(folder: Path, tmp_path: Path, whole: RunResult) -> None:
    interrupted(folder, "head", 1, 3, cache=False)
    runs = folder / "build/runs/small"
    shutil.copytree(runs / "0001", runs / "0009")
    unsealed(runs / "0009" / NAME)
    said = Said("all", 1, 1)
    with pytest.raises(Terminated):
        carried_out(folder, said, cache=False)
    assert [str(runs / name) in line for name, line in zip(("0009", "0001"), said.lines, strict=False)] == [True, True]
    shutil.rmtree(runs / "0010")
    result = carried_out(folder, resume=True, cache=False)
    assert result.folder == runs / "0001"
    assert result.model.read_bytes() == whole.model.read_bytes()


def unsealed(path: Path) -> None:
    """The same checkpoint, as an older version of surgery wrote it, or anybody can write it."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, data in members.items():
            new.writestr(re.sub("(document-[0-9a-f]{64})-.*", r"\1.json", name), data)


def test_without_a_key_it_runs_all_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: RunResult
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    error = interrupted(folder, "all", 1, 2)
    assert "--resume" not in str(error.fix)
    assert not (folder / "build/runs/small/0001" / NAME).exists()
    said = Said()
    result = carried_out(folder, said)
    assert said.lines[0].startswith("Nothing is kept for later runs")
    assert said.lines[0] in result.document["notes"]
    assert result.model.read_bytes() == cached.model.read_bytes()


def test_without_a_cache_folder_it_runs_all_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: RunResult
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    said = Said()
    result = carried_out(folder, said)
    assert said.lines == ["No cache is used: its folder cannot be made: Not a directory. Set XDG_CACHE_HOME."]
    assert said.lines[0] in result.document["notes"]
    assert result.model.read_bytes() == cached.model.read_bytes()


def test_a_run_on_features_is_as_near_to_the_whole_network_as_its_record_says(
    whole: RunResult, cached: RunResult
) -> None:
    first, second = (stage["features"] for stage in cached.document["stages"])
    assert second is None
    assert first["difference"] <= first["tolerance"] == 1e-5
    how = "equal bit for bit to" if first["exact"] else "of the largest value (1e-05 is allowed) of"
    assert (
        f"{how} what the whole network computes, on {first['examples']} examples"
        in (cached.folder / "report.md").read_text()
    )
    assert (whole.model.read_bytes() == cached.model.read_bytes()) or not first["exact"]
    one, other = (small.weights(keras.models.load_model(result.model)) for result in (whole, cached))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def stages(result: RunResult) -> list[tuple[str, bool]]:
    return [(stage["name"], stage["reused"]) for stage in result.document["stages"]]


def test_a_stage_is_done_again_only_if_something_moved(folder: Path, cached: RunResult) -> None:
    assert stages(carried_out(folder)) == [("head", False), ("all", False)]
    said = Said()
    again = carried_out(folder, said)
    assert said.lines == [f"stage '{name}': done before, not done again" for name in ("head", "all")]
    assert stages(again) == [("head", True), ("all", True)]
    assert again.model.read_bytes() == cached.model.read_bytes()
    assert plain(again.document) == plain(cached.document)
    (folder / "recipe.yaml").write_text(RECIPE.replace("learning_rate: 0.001", "learning_rate: 0.002"))
    assert stages(carried_out(folder)) == [("head", True), ("all", False)]
    assert stages(carried_out(folder, cache=False)) == [("head", False), ("all", False)]


def test_stages_of_another_user_are_done_again(
    folder: Path, cached: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried_out(folder)
    kept = sorted((Path(os.environ["XDG_CACHE_HOME"]) / "keras-surgery/stages").iterdir())
    kept[0].write_bytes(kept[1].read_bytes())  # sealed, and of another stage
    assert stages(carried_out(folder)).count(("head", True)) + stages(carried_out(folder)).count(("all", True)) >= 1
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    again = carried_out(folder)
    assert stages(again) == [("head", False), ("all", False)]
    assert again.model.read_bytes() == cached.model.read_bytes()


def test_a_stage_that_was_resumed_is_kept_too(folder: Path, cached: RunResult) -> None:
    interrupted(folder, "all", 2, 1)
    carried_out(folder, resume=True)
    again = carried_out(folder)
    assert stages(again) == [("head", True), ("all", True)]
    assert again.model.read_bytes() == cached.model.read_bytes()
    for place in (Path(os.environ["XDG_CACHE_HOME"]) / "keras-surgery/stages").iterdir():
        data = bytearray(place.read_bytes())
        data[len(data) // 2] ^= 4
        place.write_bytes(data)
    assert stages(carried_out(folder)) == [("head", False), ("all", False)]


def test_a_full_disk_ends_the_run_with_one_message(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("surgery.training.resuming.checkpoint.write_bundle", full)
    monkeypatch.setattr("surgery.training.resuming.checkpoint.SHARE", 1e9)
    with pytest.raises(RunFailed) as caught:
        carried_out(folder, cache=False)
    assert caught.value.exit_status == 5
    assert "stage 'head', epoch 1, step 1: the checkpoint cannot be written: No space left" in caught.value.what
    record = json.loads((folder / "build/runs/small/0001/run.json").read_text())
    assert record["status"] == "failed"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_another_process_goes_on_with_one_that_was_killed(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(RECIPE.replace("epochs: 2", "epochs: 12", 1))
    command = [sys.executable, "-m", "surgery", "run", "recipe.yaml", "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(Path(surgery.__file__).parent.parent)}
    place = folder / "build/runs/small/0001"
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if (place / NAME).exists())
        process.kill()
        process.communicate()
    assert not (place / "run.json").exists()
    resumed = subprocess.run(
        [*command, "--resume"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed in build/runs/small/0001 at stage '" in resumed.stderr
    assert (place / "run.json").exists()
    assert not (place / NAME).exists()
    resumed_model = (folder / "build/small.keras").read_bytes()
    assert carried_out(folder, cache=False).model.read_bytes() == resumed_model
