"""`surgery diff`: models, recipes and files in git, without Keras."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from surgery.cli.main import run
from surgery.model.archive import write_archive
from tests.networks import as_saved, changed, classifier, values_of, write_network
from tests.recipes_text import write_recipe

HEAD = "operations:\n  - {op: replace, layers: predictions, with: [{Dense: {units: 3, name: letters}}]}\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    write_recipe(tmp_path, HEAD)
    git("init", "-q", ".")
    git("add", ".")
    git("commit", "-q", "-m", "start")
    return tmp_path


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout


def test_equal_models(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", "model.keras", "git:HEAD:model.keras", "--exit-code"]) == 0
    assert capsys.readouterr().out == "No differences: 8 variables equal bit for bit.\n"


def test_another_weight_ends_with_4_when_asked(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = values_of(classifier())
    values["dense", "vars/1"][0] += 1
    write_archive(repository / "other.keras", classifier(), values)
    assert run(["diff", "model.keras", "other.keras"]) == 0
    assert run(["diff", "model.keras", "other.keras", "--exit-code"]) == 4
    assert "1 variable not equal; 7 variables equal bit for bit" in capsys.readouterr().out


def test_a_recipe_is_what_it_would_make(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", "model.keras", "recipe.yaml", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [layer["path"] for layer in document["added"]] == ["letters"]
    assert [layer["path"] for layer in document["removed"]] == ["predictions"]
    assert (document["equal_variables"], document["weights"]) == (6, [])
    assert document["file_size"] == {"before": (repository / "model.keras").stat().st_size, "after": None}


def test_fresh_weights_are_called_fresh(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(repository, "operations:\n  - {op: reinitialize, layers: dense}\n")
    assert run(["diff", "model.keras", "recipe.yaml", "--json"]) == 0
    weights = json.loads(capsys.readouterr().out)["weights"]
    assert [(one["path"], one["variable"], one["status"]) for one in weights] == [
        ("dense", "kernel", "fresh"),
        ("dense", "bias", "fresh"),
    ]
    assert run(["diff", "recipe.yaml", "recipe.yaml", "--exit-code"]) == 0
    (repository / "other.yaml").write_text(recipe.read_text() + "seed: 3\n")
    assert run(["diff", "recipe.yaml", "other.yaml", "--exit-code"]) == 4


def test_a_recipe_of_a_revision_has_the_model_of_that_revision(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_network(repository / "model.keras", as_saved(changed(classifier(), op="remove", layers="dense")), seed=2)
    assert run(["diff", "git:HEAD:./recipe.yaml", "recipe.yaml", "--json"]) == 0
    assert [layer["path"] for layer in json.loads(capsys.readouterr().out)["removed"]] == ["dense"]


def test_a_recipe_of_a_revision_has_the_checkpoints_of_that_revision(repository: Path) -> None:
    write_recipe(repository, "operations:\n  - {op: transplant, from: other.keras}\n")
    write_network(repository / "other.keras", classifier(), seed=2)
    git("add", ".")
    git("commit", "-q", "-m", "another checkpoint")
    assert run(["diff", "git:HEAD:./recipe.yaml", "recipe.yaml", "--exit-code"]) == 0
    write_network(repository / "other.keras", classifier(), seed=3)
    assert run(["diff", "git:HEAD:./recipe.yaml", "recipe.yaml", "--exit-code"]) == 4


def test_the_index_is_the_empty_revision(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_network(repository / "model.keras", classifier(), seed=2)
    git("add", "model.keras")
    assert run(["diff", "git::model.keras", "model.keras", "--exit-code"]) == 0
    assert run(["diff", "git:HEAD:model.keras", "model.keras", "--exit-code"]) == 4
    capsys.readouterr()


@pytest.mark.parametrize(
    ("operand", "said"),
    [
        ("git:HEAD:nothing.keras", "git has no 'nothing.keras' at 'HEAD'"),
        ("git:nowhere:model.keras", "git has no 'model.keras' at 'nowhere'"),
        ("git:--output=x:model.keras", "names no file of a revision"),
        ("git:HEAD", "names no file of a revision"),
        ("git:HEAD:../model.keras", "git has no"),
    ],
)
def test_what_git_does_not_have(repository: Path, operand: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", operand, "model.keras"]) == 1
    text = capsys.readouterr().err
    assert said in text
    assert "error[file-missing]" in text


def test_a_pointer_of_git_lfs_is_told(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "large.keras").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    git("add", ".")
    git("commit", "-q", "-m", "large")
    assert run(["diff", "git:HEAD:large.keras", "model.keras"]) == 1
    assert "is a pointer of Git LFS" in capsys.readouterr().err


def test_outside_of_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert run(["diff", "git:HEAD:model.keras", "model.keras"]) == 1
    assert "error[file-unreadable]: git says: not a git repository" in capsys.readouterr().err


def test_keras_stays_out(repository: Path) -> None:
    code = (
        "import sys\nfrom surgery.cli.main import run\n"
        "assert run(['diff', 'model.keras', 'recipe.yaml']) == 0\n"
        "sys.exit(len({'keras', 'tensorflow', 'jax'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", ["git:HEAD:model.keras", "git::model.keras"])
def test_a_file_that_is_called_like_a_revision_is_that_file(repository: Path, name: str) -> None:
    write_network(repository / "other.keras", classifier(), seed=7)
    (repository / "other.keras").rename(repository / name)
    assert run(["diff", "model.keras", name, "--exit-code"]) == 4
    assert run(["diff", "model.keras", f"./{name}", "--exit-code"]) == 4


@pytest.mark.parametrize("identity", [{"a": 1}, [1], "1", True])
@pytest.mark.parametrize("command", ["inspect", "diff"])
def test_an_identity_that_is_no_integer(
    repository: Path, command: str, identity: object, capsys: pytest.CaptureFixture[str]
) -> None:
    made = repository / "odd.keras"
    with zipfile.ZipFile(repository / "model.keras") as old, zipfile.ZipFile(made, "w") as new:
        for member in old.namelist():
            document = json.loads(old.read(member)) if member == "config.json" else None
            if document:
                document["config"]["layers"][1]["shared_object_id"] = identity
            new.writestr(member, json.dumps(document) if document else old.read(member))
    assert run([command, *(["model.keras"] if command == "diff" else []), "odd.keras"]) == 1
    assert "$.config.layers[1].shared_object_id" in capsys.readouterr().err
