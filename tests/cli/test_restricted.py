"""`--restricted`: what a stranger's recipe may not name, and what is not done for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import surgery
from surgery.cli.main import run
from surgery.errors import FetchRefused, PathRefused, SurgeryError, UntrustedImport, flatten
from surgery.recipe.workspace import require_inside
from tests.networks import classifier, write_network

BODY = "operations:\n  - {op: freeze, layers: conv1}\n"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with `model.keras`, beside a file that is none of a stranger's business."""
    folder = tmp_path / "repository"
    (folder / ".git").mkdir(parents=True)
    (folder / "recipes").mkdir()
    monkeypatch.chdir(folder)
    write_network(folder / "model.keras", classifier())
    write_network(tmp_path / "outside.keras", classifier())
    return folder


def write(text: str, body: str = BODY) -> str:
    Path("recipes/recipe.yaml").write_text(f"surgery: 1\n{text}\n{body}")
    return "recipes/recipe.yaml"


@pytest.mark.parametrize("command", [["validate"], ["plan"], ["diff", "model.keras"]])
def test_paths_inside_the_workspace_are_fine(
    workspace: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write("model: {path: ../model.keras}")
    assert run([*command, recipe, "--restricted"]) == 0
    capsys.readouterr()


def absolute(workspace: Path) -> str:
    return str(workspace / "model.keras")


def outside(workspace: Path) -> str:
    return "../../outside.keras"


def link(workspace: Path) -> str:
    (workspace / "recipes/link.keras").symlink_to("../model.keras")
    return "link.keras"


def linked_folder(workspace: Path) -> str:
    (workspace / "recipes/models").symlink_to("..")
    return "models/model.keras"


def folder_with_a_link(workspace: Path) -> str:
    folder = workspace / "recipes/model.keras"
    folder.mkdir()
    (folder / "config.json").symlink_to("/etc/hostname")
    return "model.keras"


def pipe(workspace: Path) -> str:
    os.mkfifo(workspace / "recipes/pipe.keras")
    return "pipe.keras"


ELSEWHERE = (absolute, outside, link, linked_folder, folder_with_a_link, pipe)


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("command", ["validate", "plan"])
def test_other_paths_are_refused_at_their_place(
    workspace: Path, name: Callable[[Path], str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write(f"model: {{path: {name(workspace)}}}")
    assert run([command, recipe, "--restricted"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("recipes/recipe.yaml:2:15: error[path-refused]")


def test_files_of_operations_and_data_are_looked_at_too(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write(
        "model: {path: ../model.keras}",
        "operations:\n  - {op: transplant, from: ../../outside.keras, layers: conv1}\n"
        "  - {op: average, with: [/outside.keras], layers: conv2}\n"
        "evaluation:\n  - {name: e, metrics: [accuracy], data: {npz: /data.npz, x: x, y: y}}\n",
    )
    assert run(["validate", recipe, "--restricted"]) == 1
    assert capsys.readouterr().err.count("error[path-refused]") == 3
    loaded = surgery.load_recipe(write("model: {path: ../model.keras}")).restricted()
    with pytest.raises(PathRefused):
        loaded.resolve("../../outside.keras")


@pytest.mark.parametrize("name", ["../outside.keras", "/etc/hostname", "recipes/link.keras"])
def test_the_command_line_is_held_to_the_same(workspace: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "recipes/link.keras").symlink_to("../model.keras")
    assert run(["diff", "model.keras", name, "--restricted"]) == 1
    assert run(["scan", name, "--restricted"]) == 1
    assert run(["validate", name, "--restricted"]) == 1
    assert capsys.readouterr().err.count("error[path-refused]") == 3


@pytest.mark.parametrize(
    ("model", "imports"),
    [
        ("{application: VGG16}", ""),
        ("{preset: resnet_18_imagenet}", ""),
        ("{factory: 'my_package.models:make'}", "imports: [my_package.models]\n"),
    ],
)
def test_nothing_is_downloaded_or_imported(workspace: Path, model: str, imports: str) -> None:
    recipe = write(f"{imports}model: {model}")
    with pytest.raises(SurgeryError) as caught:
        surgery.plan(surgery.load_recipe(recipe, restricted=True), trust=("my_package.models",))
    assert [type(error) for error in flatten(caught.value)] == [FetchRefused]


def test_a_grant_of_the_project_does_not_count(workspace: Path) -> None:
    (workspace / "pyproject.toml").write_text('[tool.surgery]\ntrust = ["my_package"]\n')
    recipe = surgery.load_recipe(write("imports: [my_package]\nmodel: {path: ../model.keras}"))
    assert recipe.permitted(["my_package"]) == ("my_package",)
    assert recipe.restricted().permitted(["my_package"]) == ()


@pytest.mark.keras
@pytest.mark.parametrize(
    ("imports", "trust"), [("imports: [my_package]\n", ()), ("imports: [my_package]\n", ("other",))]
)
def test_a_class_of_a_recipe_needs_a_grant_beside_its_import(
    workspace: Path, imports: str, trust: tuple[str, ...]
) -> None:
    body = "operations:\n  - op: append\n    layers:\n      - my_package.layers>Gate: {}\n"
    recipe = write(f"{imports}model: {{path: ../model.keras}}", body)
    with pytest.raises(SurgeryError) as caught:
        surgery.plan(surgery.load_recipe(recipe), trust=trust)
    assert [type(error) for error in flatten(caught.value)] == [UntrustedImport]


def test_a_class_of_a_recipe_needs_an_import_beside_its_grant(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = "operations:\n  - op: append\n    layers:\n      - my_package.layers>Gate: {}\n"
    assert run(["plan", write("model: {path: ../model.keras}", body), "--trust", "my_package"]) == 1
    assert "error[undeclared-import]" in capsys.readouterr().err


def test_a_pipe_is_refused_before_it_is_opened(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("recipes/pipe")
    body = f"{BODY}evaluation:\n  - {{name: e, metrics: [accuracy], data: {{npz: pipe, x: x, y: y}}}}\n"
    assert run(["validate", write("model: {path: ../model.keras}", body)]) == 1
    assert "pipe is a pipe, a socket or a device" in capsys.readouterr().err
    assert run(["plan", write("model: {path: pipe}")]) == 1
    assert run(["plan", "recipes/pipe"]) == 1
    assert run(["apply", "recipes/pipe"]) == 1
    assert run(["inspect", "recipes/pipe"]) == 1
    assert run(["scan", "recipes/pipe", "/dev/zero"]) == 1
    capsys.readouterr()


def test_what_is_not_there_is_for_others_to_say(workspace: Path) -> None:
    assert require_inside("nothing.keras", workspace) == workspace / "nothing.keras"
