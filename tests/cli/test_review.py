"""`surgery review` in real repositories: what a change touches, what the comment says, and what a stranger cannot do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import mermaidx
import pytest

from surgery.cli.main import run
from tests.cli.repository import FREEZE, HEAD, Repository
from tests.networks import classifier, network, write_network


@pytest.fixture
def repository_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A commit on main with a recipe; HEAD is on a branch, and the working folder is the top."""
    made = Repository(tmp_path / "project")
    made.recipe(FREEZE)
    made.commit()
    made.git("checkout", "--quiet", "-b", "change")
    monkeypatch.chdir(made.folder)
    return made


def comment(folder: Path, *options: str, base: str = "main", status: int = 0) -> str:
    file = folder.parent / "comment.md"
    assert run(["review", base, "--dry-run", str(file), *options]) == status
    return file.read_text(encoding="utf-8")


def pictures(text: str) -> list[str]:
    """The diagrams in a comment."""
    return re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)


def test_nothing_of_interest(repository_of: Repository) -> None:
    (repository_of.folder / "notes.yaml").write_text("a: 1\n")
    repository_of.commit()
    text = comment(repository_of.folder)
    assert text.startswith("<!-- surgery review -->\n## Model changes")
    assert "touches no recipe and no model" in text


def test_a_changed_recipe_is_planned_and_compared(repository_of: Repository) -> None:
    repository_of.recipe(HEAD)
    repository_of.commit()
    text = comment(repository_of.folder)
    assert "| `one/recipe.yaml` | changed | ok | - |" in text
    assert "```mermaid" in text
    assert "| `+` | `head` | Dense(units=3), 21 parameters" in text
    assert "Plan of test" in text


def test_a_new_recipe_is_compared_with_its_source(repository_of: Repository) -> None:
    repository_of.recipe(HEAD, "two")
    repository_of.commit()
    text = comment(repository_of.folder)
    assert "| `two/recipe.yaml` | new | ok | - |" in text
    assert "What it makes, against its source" in text
    assert (
        "| `two/model.keras` | new | 7 layers, 445 parameters (445 trainable); comes with this change, from no recipe |"
        in text
    )


def test_a_changed_model_affects_its_recipe(repository_of: Repository) -> None:
    write_network(repository_of.folder / "one/model.keras", classifier(), seed=2)
    repository_of.commit()
    text = comment(repository_of.folder)
    assert "`one/recipe.yaml` | unchanged, its lock or what it reads changed | ok" in text
    assert "8 variables not equal" in text


def test_a_recipe_without_its_model_or_data_is_reviewed_too(repository_of: Repository) -> None:
    (repository_of.folder / "one/model.keras").unlink()
    repository_of.commit()
    text = comment(repository_of.folder, status=1)
    assert "`one/recipe.yaml` | unchanged, its lock or what it reads changed" in text
    assert "there is no model model.keras" in text


def test_a_further_checkpoint_affects_its_recipe(repository_of: Repository) -> None:
    recipe = repository_of.recipe("operations:\n  - {op: average, with: [other.keras]}\n")
    write_network(recipe.with_name("other.keras"), classifier(), seed=2)
    base = repository_of.commit()
    write_network(recipe.with_name("other.keras"), classifier(), seed=3)
    repository_of.commit()
    text = comment(repository_of.folder, base=base)
    assert "`one/recipe.yaml` | unchanged, its lock or what it reads changed | ok" in text
    assert "8 variables not equal" in text


def test_errors_are_in_the_comment_and_beside_their_lines(
    repository_of: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository_of.recipe("operations:\n  - {op: freeze, layers: conv9}\n")
    repository_of.commit()
    text = comment(repository_of.folder, "--output-format", "github", status=1)
    assert "one/recipe.yaml:6:26: error[unknown-layer]" in text
    said = capsys.readouterr().out
    assert said.startswith("::error title=surgery%3A unknown-layer,file=one/recipe.yaml,line=6,col=26,")


def test_a_lock_that_drifted(repository_of: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = repository_of.folder / "one/recipe.yaml"
    assert run(["lock", str(recipe)]) == 0
    repository_of.commit()
    assert "| ok | holds |" in comment(repository_of.folder)
    repository_of.recipe("seed: 3\n" + FREEZE)
    repository_of.commit()
    assert "| **drifted** |" in comment(repository_of.folder, status=4)
    assert "lock-drift" in capsys.readouterr().err


def test_a_removed_recipe(repository_of: Repository) -> None:
    (repository_of.folder / "one/recipe.yaml").unlink()
    repository_of.commit()
    assert "| `one/recipe.yaml` | removed | - | - |" in comment(repository_of.folder)


def test_summary_is_appended(repository_of: Repository) -> None:
    repository_of.recipe(HEAD)
    repository_of.commit()
    file = repository_of.folder.parent / "summary.md"
    file.write_text("before\n")
    comment(repository_of.folder, "--summary", str(file))
    assert file.read_text().startswith("before\n<!-- surgery review -->")


def test_not_a_repository_and_not_its_top(
    tmp_path: Path, repository_of: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["review", "nothing"]) == 1
    assert run(["review", "--", "--output=/tmp/x"]) == 2
    monkeypatch.chdir(repository_of.folder / "one")
    assert run(["review", "main"]) == 2
    assert "cd " in capsys.readouterr().err


STRANGER = {
    "an import": "imports: [evil]\noperations:\n  - op: append\n    layers: ['evil>Layer': {}]\n",
    "a factory": "imports: [evil]\nmodel: {factory: 'evil:model'}\n",
    "a path outside": "model: {path: ../../secret.keras}\n",
    "an absolute path": "model: {path: /etc/passwd}\n",
    "a download": "model: {application: MobileNetV2}\n",
    "a link": "model: {path: link.keras}\n",
}


@pytest.mark.parametrize("attack", STRANGER)
def test_a_stranger_runs_nothing(repository_of: Repository, attack: str) -> None:
    """In a process of its own: nothing is imported from the checkout, no Keras, and the answer is an error in the comment."""
    folder = repository_of.folder
    write_network(folder.parent / "secret.keras", network({"Dense": {"units": 2, "name": "secret_layer"}}, shape=(4,)))
    (folder / "one/link.keras").symlink_to(folder.parent / "secret.keras")
    for name in ("evil.py", "json.py", "surgery.py", "typer.py"):
        (folder / name).write_text("open('owned', 'w')\nraise SystemExit('owned')\n")
    (folder / "pyproject.toml").write_text('[tool.surgery]\ntrust = ["evil"]\n')
    body = STRANGER[attack]
    text = "surgery: 1\n" + ("" if "model:" in body else "model: {path: model.keras}\n") + body
    (folder / "one/recipe.yaml").write_text(text)
    repository_of.commit()
    file = folder.parent / "comment.md"
    command = [sys.executable, "-I", "-m", "surgery", "review", "main", "--dry-run", str(file)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert not (folder / "owned").exists()
    assert "error[" in file.read_text()
    assert "secret_layer" not in file.read_text()


def test_hostile_names_are_text_in_the_comment(repository_of: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    name = "::error::x <img src=x> @someone [a](b) `| ```"
    model = network({"Dense": {"units": 2, "name": name}}, {"Dense": {"units": 2, "name": "out"}}, shape=(4,))
    repository_of.recipe(HEAD.replace("predictions", "out"), "two", model)
    repository_of.commit()
    text = comment(repository_of.folder, "--output-format", "github")
    (picture,) = pictures(text)
    assert "<img" not in picture
    assert "someone" in mermaidx.render(picture).svg()
    assert "<img" not in re.sub(r"(`+).*?[^`]\1(?!`)", "", text)
    assert not any(line.startswith("::") for line in capsys.readouterr().out.splitlines())
    assert not any(line.startswith("::") for line in text.splitlines())


def test_many_recipes_fit_in_one_comment(repository_of: Repository) -> None:
    for number in range(30):
        repository_of.recipe(HEAD, f"r{number}")
    repository_of.commit()
    text = comment(repository_of.folder)
    assert len(text.encode()) < 65_536
    assert text.count("```mermaid") >= 10
    assert text.count("<details>") == text.count("</details>")
    assert "`r29/recipe.yaml`" in text


@pytest.mark.keras
def test_the_comment_of_a_real_change_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MobileNetV2 gets another head, and what is before it is frozen."""
    import keras

    made = Repository(tmp_path / "project")
    keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3)).save(made.folder / "model.keras")
    (made.folder / "recipe.yaml").write_text("surgery: 1\nmodel: {path: model.keras}\n")
    made.commit()
    (made.folder / "recipe.yaml").write_text(
        "surgery: 1\nmodel: {path: model.keras}\noperations:\n"
        "  - {op: replace, layers: predictions, with: [{Dense: {units: 5, activation: softmax, name: flowers}}]}\n"
        "  - {op: freeze, layers: {to: global_average_pooling2d}}\n"
    )
    monkeypatch.chdir(made.folder)
    file = tmp_path / "comment.md"
    assert run(["review", "HEAD", "--dry-run", str(file)]) == 0
    text = file.read_text()
    assert len(text.encode()) < 64_000
    (picture,) = pictures(text)
    assert "flowers" in mermaidx.render(picture).svg()
    assert len(picture) < 50_000
    assert picture.count("-->") + picture.count("-.->") < 500
    assert "flowers" in picture
    assert "frozen" in text
