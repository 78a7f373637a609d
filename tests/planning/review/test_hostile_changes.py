"""Two hundred hostile pull requests in a real repository: each is told by its name, and loses nobody else's row."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from surgery.planning.review import Review, base_of, merged_base, review
from surgery.reporting.review_markdown import COMMENT, review_markdown, shown
from tests.cli.repository import FREEZE, HEAD, Repository
from tests.networks import classifier, write_network

NAMES: dict[str, bytes] = {
    "plain": b"plain",
    "revision": b"git:HEAD~1:one",
    "staged": b"git::one",
    "dash": b"--output=x",
    "command": b"::error::x",
    "new line": b"new\nline",
    "escape": b"\x1b[31mred",
    "not UTF-8": b"\xff\xfe",
    "markdown": b"[a](b) `| <img> @me",
    "huge": b"n" * 230,
}


def edited(data: bytes, **members: Any) -> bytes:
    """An archive with other members; a function makes one out of what was there, None takes it out."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            change = members.get(name.partition(".")[0], old.read(name))
            if change is not None:
                new.writestr(name, change(old.read(name)) if callable(change) else change)
    return made.getvalue()


def with_identity(identity: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        document = json.loads(data)
        for layer in document["config"]["layers"]:
            layer["shared_object_id"] = identity
        return json.dumps(document).encode()

    return change


def with_class(name: str, module: str) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        document = json.loads(data)
        document["config"]["layers"][1] |= {"class_name": name, "module": module}
        return json.dumps(document).encode()

    return change


def not_inflating(data: bytes) -> bytes:
    """Every member deflated, the longest one broken in its middle."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        where = max(new.infolist(), key=lambda info: info.compress_size)
        start = where.header_offset + 60
        size = where.compress_size
    broken = bytearray(made.getvalue())
    broken[start : start + size // 2] = b"\xff" * (size // 2)
    return bytes(broken)


MODELS: dict[str, Callable[[bytes], bytes]] = {
    "identity a map": lambda data: edited(data, config=with_identity({"a": 1})),
    "identity a list": lambda data: edited(data, config=with_identity([1])),
    "identity a text": lambda data: edited(data, config=with_identity("1")),
    "does not inflate": not_inflating,
    "half": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "no archive": lambda _: b"PK\x03\x04" + b"\0" * 500,
    "no JSON": lambda data: edited(data, config=b"{"),
    "deep JSON": lambda data: edited(data, config=b"[" * 100_000),
    "a list for a config": lambda data: edited(data, config=b"[]"),
    "no weights": lambda data: edited(data, model=None),
    "weights no HDF5": lambda data: edited(data, model=b"\x89HDF\r\n\x1a\n" + b"\xff" * 600),
    "a stranger's class": lambda data: edited(data, config=with_class("Layer", "evil.layers")),
}
RECIPES: dict[str, bytes] = {
    "no YAML": b"surgery: 1\nmodel: {path: [}\n",
    "not UTF-8": b"surgery: 1\nname: \xff\xfe\n",
    "deep": b"surgery: 1\nmodel: " + b"[" * 5000,
    "a tag": b"surgery: 1\nmodel: !!python/object:os.system x\n",
    "an anchor": b"surgery: &a 1\nmodel: *a\n",
    "a huge number": b"surgery: " + b"9" * 5000 + b"\n",
    "unknown operation": b"surgery: 1\nmodel: {path: one/model.keras}\noperations: [{op: freze}]\n",
    "a path outside": b"surgery: 1\nmodel: {path: ../../x.keras}\n",
    "an absolute path": b"surgery: 1\nmodel: {path: /etc/passwd}\n",
    "a path with NUL": b'surgery: 1\nmodel: {path: "a\\0.keras"}\n',
    "flow style": b'{"surgery": 1, "model": {"path": 3}}\n',
    "a download": b"surgery: 1\nmodel: {application: MobileNetV2}\n",
}
HOSTILE = [(name, attack) for attack in MODELS for name in NAMES]
HOSTILE_RECIPES = [(name, attack) for attack in RECIPES for name in list(NAMES)[:7]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("hostile") / "project")
    made.recipe(FREEZE)
    (made.folder / "pyproject.toml").write_text('[tool.surgery]\ntrust = ["ours.layers"]\n')
    made.commit()
    return made


@pytest.fixture
def change(project: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A pull request that begins with a good change."""
    project.git("checkout", "--quiet", "-B", "change", "main")
    project.recipe(HEAD)
    monkeypatch.chdir(project.folder)
    yield project
    project.git("add", "--all")
    project.git("reset", "--quiet", "--hard", "main")


def reviewed(change: Repository) -> tuple[Review, str]:
    """The review of what was committed and its comment; the good recipe has its row in both."""
    change.commit()
    found = shown(review(base_of("main")))
    text = review_markdown(found, COMMENT)
    text.encode()
    good = next(one for one in found.recipes if one.path == "one/recipe.yaml")
    assert good.diff is not None
    assert not good.errors
    assert "| `one/recipe.yaml` | changed | ok |" in text
    assert len(text.encode()) < 65_536
    assert not any(line.startswith("::") or "\x1b" in line for line in text.splitlines())
    return found, text


@pytest.mark.parametrize(("name", "attack"), HOSTILE)
def test_a_model(change: Repository, name: str, attack: str) -> None:
    path = os.fsdecode(NAMES[name] + b".keras")
    (change.folder / path).write_bytes(MODELS[attack]((change.folder / "one/model.keras").read_bytes()))
    found, text = reviewed(change)
    (model,) = found.models
    assert model.path == path
    assert model.errors
    assert all(error.exit_status == 1 and error.location for error in model.errors)
    assert "**could not be read**" in text


@pytest.mark.parametrize(("name", "attack"), HOSTILE_RECIPES)
def test_a_recipe(change: Repository, name: str, attack: str) -> None:
    path = os.fsdecode(NAMES[name] + b".yaml")
    (change.folder / path).write_bytes(RECIPES[attack])
    found, text = reviewed(change)
    (recipe,) = (one for one in found.recipes if one.path != "one/recipe.yaml")
    assert recipe.path == path
    assert recipe.errors
    assert "error[" in text


LINKS = {
    "model.keras": "one/model.keras",
    "away.keras": "/etc/passwd",
    "gone.h5": "nowhere",
    "recipe.yaml": "one/recipe.yaml",
    "outside.yaml": "../../secret.yaml",
    "test.lock": "/etc/passwd",
    "folder": "one",
    "git:HEAD:one": "one",
}


@pytest.mark.parametrize("path", LINKS)
def test_a_link(change: Repository, path: str) -> None:
    (change.folder / path).symlink_to(LINKS[path])
    found, text = reviewed(change)
    assert any(error.code() == "path-refused" and path in error.what for error in found.errors)
    assert "symbolic link" in text


@pytest.mark.parametrize("path", ["a.keras", "b.yaml", "c.lock"])
def test_a_submodule(change: Repository, path: str) -> None:
    commit = change.git("rev-parse", "main").strip()
    change.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    (change.folder / path).mkdir()
    (change.folder / ".gitmodules").write_text(f'[submodule "{path}"]\n\tpath = {path}\n\turl = x\n\tignore = all\n')
    change.git("add", ".gitmodules", "one")
    change.git("commit", "--quiet", "--message", "submodule")
    found = shown(review(base_of("main")))
    assert any("is a submodule" in error.what and path in error.what for error in found.errors)
    assert any(one.path == "one/recipe.yaml" and one.diff for one in found.recipes)


def test_a_model_folder_that_holds_a_link(change: Repository) -> None:
    folder = change.folder / "folder.keras"
    with zipfile.ZipFile(change.folder / "one/model.keras") as archive:
        archive.extractall(folder)
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("/etc/passwd")
    found, _ = reviewed(change)
    assert [(one.path, bool(one.errors)) for one in found.models] == [("folder.keras", True)]


GRANTS = {
    "trust": ("pyproject.toml", '[tool.surgery]\ntrust = ["ours.layers", "evil"]\n', "grants trust to evil"),
    "trust of a folder": ("sub/pyproject.toml", '[tool.surgery]\ntrust = ["evil"]\n', "grants trust to evil"),
    "inline trust": ("pyproject.toml", 'tool.surgery = {trust = ["evil"]}\n', "grants trust to evil"),
    "escaped trust": ("pyproject.toml", '[tool."surger\\u0079"]\ntrust = ["evil"]\n', "grants trust to evil"),
    "policy": ("pyproject.toml", "[tool.surgery]\npolicy = {scan = false}\n", "changes [tool.surgery] policy"),
    "no trust": ("pyproject.toml", "", "takes trust from ours.layers"),
    "damaged": ("pyproject.toml", "[tool", "could not be read"),
    "attributes": (".gitattributes", "*.keras diff=surgery-model\n", "sets git attributes"),
    "hidden": (".gitattributes", "*.yaml -diff linguist-generated\n", "sets git attributes"),
    "everything": ("sub/.gitattributes", "* binary\n", "sets git attributes"),
    "filter": (".gitattributes", "models/* filter=evil\n", "sets git attributes"),
    "policy file": ("surgery-policy.yaml", "allow: all\n", "adds the policy surgery-policy.yaml"),
    "hooks": (".pre-commit-config.yaml", "hooks: [{id: surgery-validate, args: [--trust, evil]}]\n", "--trust, evil"),
    "workflow": (
        ".github/workflows/x.yml",
        "on: pull_request_target\nx: {uses: me/surgery@v1}\n",
        "pull_request_target",
    ),
    "tolerance": ("new.lock", '"tolerance metric" = "1000"\n', "loosens the tolerance of metric from 0.02 to 1000"),
    "no number": ("new.lock", '"tolerance norm" = "nan"\n', "loosens the tolerance of norm from 0.05 to nan"),
    "imports": ("x.yaml", "surgery: 1\nimports: [evil.layers]\n", "asks to import evil.layers"),
}


@pytest.mark.parametrize("attack", GRANTS)
def test_what_grants_power_is_the_first_thing_told(change: Repository, attack: str) -> None:
    path, text, sentence = GRANTS[attack]
    (change.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (change.folder / path).write_text(text)
    found, comment = reviewed(change)
    assert any(sentence in grant and path in grant for grant in found.grants)
    assert comment.splitlines()[1] == "## What this change grants"
    assert comment.index("grants") < comment.index("## Model changes")


def test_what_grants_power_is_not_nothing(change: Repository) -> None:
    change.recipe(FREEZE)
    (change.folder / "pyproject.toml").write_text('[tool.surgery]\ntrust = ["evil"]\n')
    change.commit()
    text = review_markdown(review(base_of("main")), COMMENT)
    assert "grants trust to evil" in text
    assert "touches no" not in text


def test_other_configurations_grant_nothing(change: Repository) -> None:
    (change.folder / ".gitattributes").write_text("*.png binary\n# *.keras -diff\n")
    (change.folder / "pyproject.toml").write_text('[tool.surgery]\ntrust = ["ours.layers"]\n[tool.ruff]\nx = 1\n')
    (change.folder / "poetry.lock").write_text('[[package]]\nname = "x"\n')
    (change.folder / "docs").mkdir()
    (change.folder / "notes.yaml").symlink_to("pyproject.toml")
    found, _ = reviewed(change)
    assert found.grants == ()
    assert found.errors == []


def test_many_lines_do_not_push_out_trust(change: Repository) -> None:
    (change.folder / "pyproject.toml").write_text('[tool.surgery]\ntrust = ["evil"]\n')
    for number in range(300):
        (change.folder / f"{number}.lock").write_text('"tolerance metric" = "9"\n')
    _, text = reviewed(change)
    assert "grants trust to evil" in text.splitlines()[3]


def test_the_author_merged_by_himself(change: Repository) -> None:
    """His first parent is not the base: what he did before is reviewed, what he merged from the base is not."""
    base = change.git("rev-parse", "main").strip()
    (change.folder / "evil.keras").write_bytes(b"")
    change.commit()
    change.git("checkout", "--quiet", "-b", "side", "main")
    change.recipe(FREEZE, "other")
    head = change.commit()
    change.git("checkout", "--quiet", "change")
    change.git("merge", "--quiet", "--no-ff", "--message", "merge", "side")
    found = review(merged_base(base, change.git("rev-parse", "HEAD").strip()))
    assert {"evil.keras", "other/model.keras"} == {one.path for one in found.models}
    assert merged_base(head, "0" * 40) == head  # the base went on, and he has merged it
    change.git("branch", "--quiet", "-D", "side")


def test_the_merge_of_github_is_against_its_first_parent(change: Repository) -> None:
    base = change.git("rev-parse", "main").strip()
    head = change.commit()
    change.git("checkout", "--quiet", "--detach", "main")
    change.recipe(FREEZE, "meanwhile")
    tip = change.commit()
    change.git("merge", "--quiet", "--no-ff", "--message", "merge", head)
    assert merged_base(base, head) == tip
    found = review(tip)
    assert [one.path for one in found.recipes] == ["one/recipe.yaml"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "plain"])
def test_a_good_model_of_an_odd_name_is_compared_with_itself(change: Repository, name: str) -> None:
    """Also where git has something at the revision that the name looks like."""
    path = change.folder / os.fsdecode(NAMES[name] + b".keras")
    short = change.folder / "short.keras"
    write_network(short, classifier(), seed=2)
    short.rename(path)
    base = change.commit()
    write_network(short, classifier(), seed=3)
    short.rename(path)
    change.commit()
    found = shown(review(base))
    (model,) = found.models
    assert model.errors == ()
    assert model.diff is not None
    assert not model.diff.identical


def test_a_recipe_whose_output_lies_beside_its_folder(project: Repository, change: Repository) -> None:
    change.recipe("outputs: {model: ../out/x.keras}\n" + FREEZE, "sibling")
    base = change.commit()
    change.recipe("outputs: {model: ../out/x.keras}\n" + HEAD, "sibling")
    change.commit()
    (recipe,) = review(base).recipes
    assert recipe.diff is not None
    assert recipe.errors == ()


def test_a_recipe_that_is_mended_is_shown_against_its_source(change: Repository) -> None:
    change.recipe("operations: [{op: freze}]\n", "broken")
    base = change.commit()
    change.recipe(HEAD, "broken")
    change.commit()
    (recipe,) = review(base).recipes
    assert recipe.against == "its source"
    assert recipe.diff is not None
    assert recipe.errors == ()
    assert "no valid recipe" in recipe.notes[0]


@pytest.mark.parametrize("attack", ["identity a map", "does not inflate"])
def test_the_command(change: Repository, attack: str) -> None:
    write_network(change.folder / "good.keras", classifier())
    good = (change.folder / "one/model.keras").read_bytes()
    (change.folder / "one/model.keras").write_bytes(MODELS[attack](good))
    (change.folder / "git:HEAD~1:base.keras").write_bytes(b"")
    change.commit()
    file = change.folder.parent / "comment.md"
    command = [sys.executable, "-I", "-m", "surgery", "review", "main", "--dry-run", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    text = file.read_text(encoding="utf-8")
    assert "| `good.keras` | new | 7 layers" in text
    assert "| `git:HEAD~1:base.keras` | new | **could not be read**" in text
    assert "| `one/model.keras` | changed | **could not be read**" in text


def test_a_lock_that_becomes_a_link(change: Repository) -> None:
    """What it leads to is not read, also where it is the lock itself."""
    from surgery.cli.main import run

    recipe = change.recipe(FREEZE, "locked")
    assert run(["lock", str(recipe)]) == 0
    base = change.commit()
    lock = recipe.with_name("test.lock")
    lock.rename(change.folder / "elsewhere.txt")
    lock.symlink_to("../elsewhere.txt")
    change.commit()
    found = review(base)
    (one,) = (recipe for recipe in found.recipes if recipe.path == "locked/recipe.yaml")
    assert one.lock == "unchecked"
    assert [error.code() for error in one.errors] == ["path-refused"]
    assert [file.path for file in found.files] == ["locked/test.lock"]


def test_a_base_that_cannot_be_compared_with_fails(change: Repository) -> None:
    change.recipe(FREEZE, "pointer")
    model = change.folder / "pointer/model.keras"
    good = model.read_bytes()
    model.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    base = change.commit()
    model.write_bytes(good)
    change.recipe(HEAD, "pointer")
    change.commit()
    (one,) = (recipe for recipe in review(base).recipes if recipe.path == "pointer/recipe.yaml")
    assert one.plan is not None
    assert "cannot be compared with what it was" in one.errors[0].what
