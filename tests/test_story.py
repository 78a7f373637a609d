"""The whole story in a real git repository.

A first recipe, a lock, a branch, `git diff`, the comment of its pull request, a merge of locks, `lock --check`, `verify`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from surgery.cli.main import run
from tests.git import Git
from tests.recipes_text import write_recipe

BODY = """
seed: 5
operations:
  - {op: replace, layers: predictions, with: [{Dense: {units: 3, activation: softmax, name: letters}}]}
  - {op: freeze, layers: {to: flatten}}
training:
  data: {train: {npz: data.npz, x: x, y: y}, batch_size: 8}
  stages:
    - name: head
      epochs: 2
      optimizer: {Adam: {learning_rate: 0.01}}
      loss: sparse_categorical_crossentropy
      metrics: [accuracy]

evaluation:
  - name: letters
    data: {npz: data.npz, x: x, y: y}
    metrics: [accuracy]

outputs:
  model: letters.keras
"""


class Surgery:
    """The command line in a folder: in this process where Keras is not needed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def __call__(self, *arguments: str, status: int = 0) -> str:
        self.capsys.readouterr()
        with contextlib.chdir(self.folder):
            ended = run(list(arguments))
        said = self.capsys.readouterr()
        assert ended == status, said.out + said.err
        return said.out + said.err

    def in_new_process(self, *arguments: str) -> str:
        """With Keras started afresh."""
        command = [sys.executable, "-P", "-m", "surgery", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def surgery(folder: Path, capsys: pytest.CaptureFixture[str]) -> Surgery:
    return Surgery(folder, capsys)


@pytest.fixture
def git(folder: Path, surgery: Surgery) -> Git:
    """A repository that surgery is installed in."""
    found = Git(folder)
    surgery("git", "install")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(3)
    np.savez(
        tmp_path / "data.npz", x=random.normal(size=(24, 8, 8, 1)).astype("float32"), y=np.arange(24, dtype="int32") % 3
    )
    write_recipe(tmp_path, BODY)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_install_says_what_it_changes_and_takes_it_back(folder: Path, surgery: Surgery) -> None:
    git = Git(folder)
    (folder / ".gitattributes").write_text("*.npz binary\n*.keras filter=lfs\n")
    assert "git config merge.surgery-lock.driver = " in surgery("git", "install")
    assert surgery("git", "install") == "Nothing to do: all is as it should be.\n"
    assert git("check-attr", "diff", "filter", "--", "model.keras").splitlines() == [
        "model.keras: diff: surgery-model",
        "model.keras: filter: lfs",
    ]
    assert git("check-attr", "merge", "--", "letters.lock") == "letters.lock: merge: surgery-lock\n"
    surgery("git", "install", "--uninstall")
    assert (folder / ".gitattributes").read_text() == "*.npz binary\n*.keras filter=lfs\n"
    assert "surgery" not in (folder / ".git" / "config").read_text()
    assert surgery("git", "install", "--uninstall") == "Nothing to do: all is as it should be.\n"


@pytest.mark.keras
def test_git_speaks_of_layers(folder: Path, git: Git, surgery: Surgery) -> None:
    git.commit("A model")
    surgery("apply", "recipe.yaml", "-o", "new.keras")
    (folder / "new.keras").replace(folder / "model.keras")
    shown = git("diff")
    assert shown.startswith("diff --surgery model.keras\nlayers: 1 added, 1 removed")
    assert "  + letters      Dense(units=3, activation=softmax), 21 parameters, reads dense" in shown
    git.commit("Another head")
    for command in (("log", "-p", "-1"), ("show",)):
        shown = git(*command)
        assert "-layer predictions (Dense)" in shown
        assert "+layer letters (Dense)" in shown
        assert "+  trainable: false" in shown
    (folder / "broken.keras").write_bytes(b"PK no model")
    git("add", "-N", "broken.keras")
    assert "error[" in git("diff")
    git.commit("Something else")
    assert "+not a model that surgery reads" in git("show")


@pytest.mark.keras
def test_recipe_lock_branch_merge_check_verify(folder: Path, git: Git, surgery: Surgery) -> None:
    lock, comment = folder / "test.lock", folder / ".git" / "comment.md"
    surgery("init", "model.keras", "-o", "first.yaml")
    assert "replace (line " in surgery("plan", "first.yaml")
    (folder / "first.yaml").unlink()
    surgery("lock", "recipe.yaml")
    git.commit("A recipe and its lock")

    git("checkout", "-q", "-b", "longer")
    edit(folder / "recipe.yaml", "epochs: 2", "epochs: 3")
    assert "+      epochs: 3" in git("diff")
    assert "recipe training stages 1 head: was sha256" in surgery("lock", "--check", "recipe.yaml", status=4)
    surgery("lock", "recipe.yaml")
    git.commit("Train longer")
    surgery("review", "main", "--dry-run", str(comment))
    assert "letters" in comment.read_text()
    assert "Plan of test" in comment.read_text()

    git("checkout", "-q", "main")
    edit(folder / "recipe.yaml", "seed: 5", "seed: 6")
    edit(folder / "recipe.yaml", "layers: {to: flatten}", "layers: {to: conv2}")
    surgery("lock", "recipe.yaml")
    git.commit("Freeze less")
    git("merge", "-q", "longer", "-m", "Both")
    assert "<<<<" not in lock.read_text()
    surgery("lock", "--check", "recipe.yaml")

    surgery("run", "--locked", "--lock", "recipe.yaml")
    git.commit("What came out")
    assert lock.read_text().count('"output variable ') == 8
    assert '"output metric letters: accuracy" = ' in lock.read_text()
    assert "are as they are locked, bit for bit." in surgery.in_new_process("verify", "recipe.yaml")
    surgery("lock", "--check", "recipe.yaml")

    history = json.loads(surgery("inspect", "--history", "--json", "letters.keras"))
    assert history["surgeries"][0]["recipe"]["text"] == (folder / "recipe.yaml").read_text()
    assert history["surgeries"][0]["trained"] is True


def test_a_conflict_in_a_fact_is_left_to_the_user(folder: Path, git: Git, surgery: Surgery) -> None:
    lock = folder / "test.lock"
    surgery("lock", "recipe.yaml")
    git.commit("A recipe and its lock")
    git("checkout", "-q", "-b", "other")
    edit(folder / "recipe.yaml", "seed: 5", "seed: 6")
    surgery("lock", "recipe.yaml")
    git.commit("Six")
    git("checkout", "-q", "main")
    edit(folder / "recipe.yaml", "seed: 5", "seed: 7")
    surgery("lock", "recipe.yaml")
    git.commit("Seven")
    assert "test.lock: both sides changed 'seed'" in git("merge", "other", status=1)
    assert lock.read_text().count("<<<<<<<") == 1
    git("checkout", "--ours", "recipe.yaml")
    assert "there is an unresolved merge conflict" in surgery("lock", "--check", "recipe.yaml", status=1)
    surgery("lock", "recipe.yaml")
    surgery("lock", "--check", "recipe.yaml")


@pytest.mark.keras
def test_keras_leaves_the_history_alone(folder: Path) -> None:
    import keras

    from surgery import api
    from surgery.planning.history import read_history
    from surgery.recipe import load_recipe

    recipe = write_recipe(folder, "operations:\n  - {op: freeze, layers: conv1}\n")
    api.apply_to_file(api.plan(load_recipe(recipe)), folder / "new.keras")
    assert read_history(folder / "new.keras")["surgeries"]
    model = keras.models.load_model(folder / "new.keras")
    assert [layer.name for layer in model.layers][-1] == "predictions"
    model.save(folder / "again.keras")
    assert not read_history(folder / "again.keras")["surgeries"]
